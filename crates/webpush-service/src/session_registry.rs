//! The open sessions of each inbox, and their notification of commits.
//!
//! A lost wakeup is harmless: each carries the position before it, so the session notices the gap and reads the inbox.

mod block_reason;
mod other_nodes;
mod wakeup;

pub use block_reason::{Availability, BlockReason};
pub use wakeup::Wakeup;

use crate::metrics::Counters;
use crate::threads::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::threads::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::trace::{Stage, Traces};
use block_reason::{pack, unpack};
use std::collections::HashMap;
use std::collections::hash_map::Entry as InboxSlot;
use std::ops::Deref;
use std::task::{Context, Poll, Waker};
use webpush_core::env::{Env, MonotonicTime};
use webpush_core::id::{EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::session::Scope;
use webpush_core::subscription::ProtocolKind;
use webpush_core::urgency::Urgency;
use webpush_store::Applied;

/// All open sessions, by inbox.
pub struct SessionRegistry {
    shards: [Mutex<HashMap<InboxId, InboxSessions>>; SHARDS],
    open: Counters<{ TransportKind::ALL.len() }>,
    opened: Counters<{ TransportKind::ALL.len() }>,
    traces: Arc<Traces>,
    /// Present if other nodes may store entries between those that are announced here.
    shared: Option<Env>,
}

/// How messages reach a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// HTTP/2 server push (RFC 8030).
    Rfc8030,
    /// HTTP/2 server push at the URL of a device, in the legacy (2015) API.
    Legacy,
    /// Server-sent events.
    Events,
    /// An autopush WebSocket. An agent has one at a time.
    Autopush,
    /// An MCS connection of Chromium. An agent has one at a time.
    Chromium,
}

impl TransportKind {
    /// All transports, in discriminant order.
    pub const ALL: [Self; 5] = [Self::Rfc8030, Self::Legacy, Self::Events, Self::Autopush, Self::Chromium];

    /// Returns the value of the metrics label `protocol`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc8030 => ProtocolKind::Rfc8030.as_str(),
            Self::Legacy => ProtocolKind::Legacy.as_str(),
            Self::Events => "events",
            Self::Autopush => ProtocolKind::Autopush.as_str(),
            Self::Chromium => ProtocolKind::Chromium.as_str(),
        }
    }

    /// Returns true if the sessions have connections of their own.
    ///
    /// These are woken for broadcasts and shutdown.
    const fn has_own_connection(self) -> bool {
        match self {
            Self::Autopush | Self::Chromium => true,
            Self::Rfc8030 | Self::Legacy | Self::Events => false,
        }
    }
}

const SHARDS: usize = 64;

/// Maximum number of sessions of one inbox.
///
/// Each is told of every message, and may hold a page of its own.
const INBOX_SESSIONS: usize = 1024;

/// Time after which a client may try again to open a session of a full inbox.
const SESSIONS_RETRY_SECONDS: u64 = 60;

impl Default for SessionRegistry {
    fn default() -> Self {
        Self::new(Arc::new(Traces::disabled()), None)
    }
}

/// The sessions of one inbox.
struct InboxSessions {
    /// The last position that they were notified of.
    last: Position,
    slots: SessionSlots,
}

/// Most inboxes have one session, which needs no list.
enum SessionSlots {
    One(Arc<SessionSlot>),
    #[allow(clippy::box_collection, reason = "two words for each inbox instead of three")]
    Several(Box<Vec<Arc<SessionSlot>>>),
}

impl SessionSlots {
    fn push(&mut self, slot: Arc<SessionSlot>) {
        match self {
            Self::One(first) => *self = Self::Several(Box::new(vec![Arc::clone(first), slot])),
            Self::Several(slots) => slots.push(slot),
        }
    }

    /// Removes a slot, and returns true if others are left.
    fn remove(&mut self, slot: &Arc<SessionSlot>) -> bool {
        match self {
            Self::One(only) => !Arc::ptr_eq(only, slot),
            Self::Several(slots) => {
                slots.retain(|other| !Arc::ptr_eq(other, slot));
                !slots.is_empty()
            }
        }
    }
}

impl Deref for SessionSlots {
    type Target = [Arc<SessionSlot>];

    fn deref(&self) -> &[Arc<SessionSlot>] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(slots) => slots,
        }
    }
}

/// Pending notifications of one session.
struct SessionSlot {
    scope: Scope,
    transport: TransportKind,
    /// The reason why the session sends nothing, and its minimum urgency, as [`pack`] combines them.
    state: AtomicU8,
    /// True if the inbox was created before the session, or since.
    has_inbox: AtomicBool,
    /// When it began, in a store that several nodes share.
    began: MonotonicTime,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    wakeup: Wakeup,
    /// True if the session has not polled since it was notified.
    notified: bool,
    /// Wakes the session's task.
    waker: Option<Waker>,
}

impl SessionSlot {
    fn new(scope: &Scope, transport: TransportKind, has_inbox: bool, began: MonotonicTime) -> Self {
        let state = AtomicU8::new(pack(BlockReason::Nothing, scope.min_urgency));
        let has_inbox = AtomicBool::new(has_inbox);
        Self { scope: *scope, transport, state, has_inbox, began, pending: Mutex::default() }
    }

    /// Ends the session if it has this transport.
    fn supersede(&self, transport: TransportKind) {
        if self.transport == transport {
            self.notify(|wakeup| wakeup.superseded = true);
        }
    }

    /// Changes the pending wakeup, and notifies the session.
    fn notify(&self, change: impl FnOnce(&mut Wakeup)) {
        let mut pending = lock(&self.pending);
        change(&mut pending.wakeup);
        pending.notified = true;
        let waker = pending.waker.take();
        drop(pending);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The result of [`SessionRegistry::offer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferResult {
    /// The number of sessions that accepted the message.
    pub sessions: usize,
    /// True if one of them is of an agent that has one session at a time.
    pub is_exclusive: bool,
}

/// A session's entry in the registry, removed on drop.
///
/// Call [`SessionHandle::take_if`], wait for [`SessionHandle::poll_notified`], and repeat.
pub struct SessionHandle {
    registry: Arc<SessionRegistry>,
    slot: Arc<SessionSlot>,
}

impl SessionRegistry {
    /// Creates an empty registry that records notifications in `traces`.
    ///
    /// `shared` is the environment if other nodes use the same store.
    #[must_use]
    pub fn new(traces: Arc<Traces>, shared: Option<Env>) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, open: Counters::default(), opened: Counters::default(), traces, shared }
    }

    /// Registers a session, which is notified of every commit from now on.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if the inbox has too many sessions.
    pub fn register(
        self: &Arc<Self>,
        scope: &Scope,
        transport: TransportKind,
    ) -> Result<SessionHandle, Problem> {
        let is_full = |sessions: &InboxSessions| sessions.slots.len() >= INBOX_SESSIONS;
        if self.shard(scope.inbox).get(&scope.inbox).is_some_and(is_full) {
            return Err(Problem::TooManyRequests {
                limit: LimitKind::Sessions,
                retry_after_seconds: SESSIONS_RETRY_SECONDS,
            });
        }
        Ok(self.insert(SessionSlot::new(scope, transport, true, self.now()), false))
    }

    /// Registers a session of an agent that has one at a time: it supersedes older ones.
    #[must_use]
    pub fn register_exclusive(self: &Arc<Self>, scope: &Scope, transport: TransportKind) -> SessionHandle {
        self.insert(SessionSlot::new(scope, transport, true, self.now()), true)
    }

    /// Registers a session of a new agent, whose inbox is created when it subscribes.
    #[must_use]
    pub fn register_new(self: &Arc<Self>, scope: &Scope, transport: TransportKind) -> SessionHandle {
        self.insert(SessionSlot::new(scope, transport, false, self.now()), false)
    }

    /// Adds a session, and ends those of the same transport before it if it supersedes them.
    fn insert(self: &Arc<Self>, slot: SessionSlot, supersedes: bool) -> SessionHandle {
        let slot = Arc::new(slot);
        self.open.add(slot.transport as usize, 1);
        self.opened.add(slot.transport as usize, 1);
        match self.shard(slot.scope.inbox).entry(slot.scope.inbox) {
            InboxSlot::Vacant(vacant) => {
                let slots = SessionSlots::One(Arc::clone(&slot));
                vacant.insert(InboxSessions { last: Position::START, slots });
            }
            InboxSlot::Occupied(mut sessions) => {
                let slots = &mut sessions.get_mut().slots;
                if supersedes {
                    // Under the same lock, so that one of two simultaneous ones ends the other.
                    slots.iter().for_each(|older| older.supersede(slot.transport));
                }
                slots.push(Arc::clone(&slot));
            }
        }
        SessionHandle { registry: Arc::clone(self), slot }
    }

    /// Wakes all WebSocket sessions, so that they read the broadcast versions or notice a shutdown.
    pub fn wake_websockets(&self) {
        for shard in &self.shards {
            for slot in lock(shard).values().flat_map(|sessions| sessions.slots.iter()) {
                if slot.transport.has_own_connection() {
                    slot.notify(|_| {});
                }
            }
        }
    }

    /// Notifies sessions of a commit. Called by the store, in the order of commits.
    pub fn announce(&self, applied: &[Applied]) {
        for change in applied {
            match change {
                Applied::Appended(appended) => {
                    self.traces.record_stored(&appended.message);
                    if !appended.is_dropped() {
                        self.announce_entry(
                            &Entry::Message(Arc::clone(&appended.message)),
                            appended.replaced,
                        );
                    }
                    appended
                        .receipts
                        .iter()
                        .for_each(|receipt| self.announce_entry(&Entry::Receipt(*receipt), None));
                }
                Applied::Settled(settled) => {
                    settled
                        .receipt
                        .iter()
                        .for_each(|receipt| self.announce_entry(&Entry::Receipt(*receipt), None));
                }
                Applied::Removed(removed) => {
                    removed
                        .receipts
                        .iter()
                        .for_each(|receipt| self.announce_entry(&Entry::Receipt(*receipt), None));
                }
                Applied::Created
                | Applied::Duplicate(_)
                | Applied::Touched
                | Applied::Refused
                | Applied::Taken
                | Applied::Missing => {}
            }
        }
    }

    /// Returns the number of open sessions.
    #[must_use]
    pub fn session_count(&self, transport: TransportKind) -> u64 {
        self.open.get(transport as usize)
    }

    /// Returns the number of sessions opened so far.
    #[must_use]
    pub fn opened_count(&self, transport: TransportKind) -> u64 {
        self.opened.get(transport as usize)
    }

    /// Returns true if an inbox has an open session.
    #[must_use]
    pub fn has_session(&self, inbox: InboxId) -> bool {
        self.shard(inbox).contains_key(&inbox)
    }

    /// Returns the number of parts that [`inboxes`](Self::inboxes) lists separately.
    #[must_use]
    pub(crate) const fn shard_count(&self) -> usize {
        SHARDS
    }

    /// Lists the inboxes of a shard that have an open session.
    ///
    /// They are in order, so that a simulation can be repeated.
    #[must_use]
    pub(crate) fn inboxes(&self, shard: usize) -> Vec<InboxId> {
        let mut inboxes: Vec<_> = lock(&self.shards[shard]).keys().copied().collect();
        inboxes.sort_unstable();
        inboxes
    }

    /// Determines whether an agent would receive a message of this urgency now.
    #[must_use]
    pub fn availability(&self, inbox: InboxId, urgency: Urgency) -> Availability {
        let shard = self.shard(inbox);
        let Some(sessions) = shard.get(&inbox) else { return Availability::NoSession };
        let states = sessions.slots.iter().map(|slot| unpack(slot.state.load(Ordering::Relaxed)));
        match states.min_by_key(|(_, minimum)| *minimum) {
            Some((reason, minimum)) if minimum <= urgency => Availability::Session(reason),
            Some((_, minimum)) => Availability::BelowMinUrgency(minimum),
            None => Availability::NoSession,
        }
    }

    /// Notifies all sessions that entries may have been committed without an announcement.
    pub fn announce_gap(&self) {
        for shard in &self.shards {
            for slot in lock(shard).values().flat_map(|sessions| sessions.slots.iter()) {
                slot.notify(|wakeup| wakeup.update_mut().missed = true);
            }
        }
    }

    /// Offers a message with TTL 0 to the open sessions.
    pub fn offer(&self, entry: &OutboundEntry) -> OfferResult {
        let mut result = OfferResult::default();
        let Some(message) = entry.message() else { return result };
        let shard = self.shard(message.agent);
        let Some(sessions) = shard.get(&message.agent) else { return result };
        self.traces.record(message.id, Stage::Notified);
        for slot in sessions.slots.iter().filter(|slot| slot.scope.admits_live(entry)) {
            slot.notify(|wakeup| {
                if wakeup.add_live(entry) {
                    result.sessions += 1;
                    result.is_exclusive |= slot.transport.has_own_connection();
                }
            });
        }
        result
    }

    /// Ends the sessions of a removed subscription, or of a removed inbox (RFC 8030 §7.3).
    pub fn end_sessions(&self, inbox: InboxId, only: Option<SubscriptionId>) {
        let shard = self.shard(inbox);
        for slot in shard.get(&inbox).into_iter().flat_map(|sessions| sessions.slots.iter()) {
            if only.is_none() || slot.scope.subscription == only {
                slot.notify(|wakeup| wakeup.removed = true);
            }
        }
    }

    fn announce_entry(&self, entry: &Entry, replaced: Option<EntryRef>) {
        let inbox = entry.entry_ref().inbox;
        let mut shard = self.shard(inbox);
        let Some(sessions) = shard.get_mut(&inbox) else { return };
        let last = std::mem::replace(&mut sessions.last, entry.position());
        // The entry before may be from another node. A session that has not read it notices the gap.
        let previous = if self.shared.is_some() { before(entry.position()) } else { last };
        if let Entry::Message(message) = entry {
            self.traces.record(message.id, Stage::Notified);
        }
        for slot in sessions.slots.iter() {
            slot.notify(|wakeup| wakeup.add(previous, entry, replaced));
        }
    }

    /// The current time in a store that several nodes share; others have no need of it.
    fn now(&self) -> MonotonicTime {
        self.shared.as_ref().map_or_else(MonotonicTime::default, Env::monotonic)
    }

    fn shard(&self, inbox: InboxId) -> MutexGuard<'_, HashMap<InboxId, InboxSessions>> {
        lock(&self.shards[usize::from(inbox.as_bytes()[0]) % SHARDS])
    }
}

/// Returns the position before one that was assigned: those of an inbox have no gaps.
fn before(position: Position) -> Position {
    Position::new(position.get().saturating_sub(1))
}

impl SessionHandle {
    /// Records why this session sends nothing, and its minimum urgency, for message traces.
    pub fn set_block_reason(&self, reason: BlockReason, min_urgency: Urgency) {
        self.slot.state.store(pack(reason, min_urgency), Ordering::Relaxed);
    }

    /// Polls for a notification, and registers the task's waker if there is none.
    ///
    /// Only one task may poll.
    pub fn poll_notified(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pending = lock(&self.slot.pending);
        if std::mem::take(&mut pending.notified) {
            return Poll::Ready(());
        }
        match &mut pending.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes the pending wakeup if it meets a condition, and otherwise leaves it pending.
    #[must_use]
    pub fn take_if(&self, condition: impl FnOnce(&Wakeup) -> bool) -> Option<Wakeup> {
        let wakeup = &mut lock(&self.slot.pending).wakeup;
        condition(wakeup).then(|| std::mem::take(wakeup))
    }
}

impl SessionHandle {
    /// Returns the inbox.
    #[must_use]
    pub fn inbox(&self) -> InboxId {
        self.slot.scope.inbox
    }

    /// Returns how the agent is connected.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        self.slot.transport
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.registry.open.subtract(self.slot.transport as usize, 1);
        let inbox = self.slot.scope.inbox;
        let mut shard = self.registry.shard(inbox);
        if let InboxSlot::Occupied(mut sessions) = shard.entry(inbox)
            && !sessions.get_mut().slots.remove(&self.slot)
        {
            sessions.remove();
        }
    }
}

/// Ignores poisoning: no lock here is held across code that could leave a partial change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
