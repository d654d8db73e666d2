//! Who is listening to which inbox, and how they hear of what was committed to it.
//!
//! A wake may be lost harmlessly: it carries the position before it, so a session sees the gap and reads the inbox.

mod block_reason;

pub use block_reason::{Availability, BlockReason};

use crate::metrics::Counters;
use crate::trace::{Stage, Traces};
use block_reason::{pack, unpack};
use std::collections::HashMap;
use std::collections::hash_map::Entry as InboxSlot;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use webpush_core::id::{EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::session::UPDATE_ENTRIES;
use webpush_core::session::{InboxUpdate, Scope};
use webpush_core::subscription::ProtocolKind;
use webpush_core::urgency::Urgency;
use webpush_store::Applied;

/// Every listening session, by inbox.
pub struct SessionRegistry {
    shards: [Mutex<HashMap<InboxId, Listeners>>; SHARDS],
    listening: Counters<4>,
    opened: Counters<4>,
    traces: Arc<Traces>,
}

/// How a session listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By server push, as RFC 8030 has it.
    Rfc8030,
    /// By server push, at the URL of a device (draft-thomson).
    Legacy,
    /// As events.
    Events,
    /// On a WebSocket. Its agent has one connection at a time.
    Autopush,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rfc8030, Self::Legacy, Self::Events, Self::Autopush];

    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc8030 => ProtocolKind::Rfc8030.as_str(),
            Self::Legacy => ProtocolKind::Legacy.as_str(),
            Self::Events => "events",
            Self::Autopush => ProtocolKind::Autopush.as_str(),
        }
    }
}

const SHARDS: usize = 64;

impl Default for SessionRegistry {
    fn default() -> Self {
        Self::new(Arc::new(Traces::disabled()))
    }
}

/// The sessions of one inbox.
struct Listeners {
    /// The last position that they were told of.
    last: Position,
    slots: SessionSlots,
}

/// There is one for most inboxes, which then needs no list.
enum SessionSlots {
    One(Arc<SessionSlot>),
    Several(Vec<Arc<SessionSlot>>),
}

impl SessionSlots {
    fn push(&mut self, slot: Arc<SessionSlot>) {
        match self {
            Self::One(first) => *self = Self::Several(vec![Arc::clone(first), slot]),
            Self::Several(slots) => slots.push(slot),
        }
    }

    /// Whether any are left.
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

/// Where news for one session waits until it looks.
struct SessionSlot {
    scope: Scope,
    way: Transport,
    /// What its driver says of it: what is held back, and below which urgency ([`BlockReason`] and four times [`Urgency`]).
    says: AtomicU8,
    post: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    news: Wakeup,
    /// Somebody was told, and has not looked since.
    told: bool,
    /// Who is to be told.
    waker: Option<Waker>,
}

impl SessionSlot {
    fn new(scope: &Scope, way: Transport) -> Self {
        let says = AtomicU8::new(pack(BlockReason::Nothing, scope.min_urgency));
        Self { scope: *scope, way, says, post: Mutex::default() }
    }

    /// Changes the news and tells the session.
    fn tell(&self, change: impl FnOnce(&mut Wakeup)) {
        let mut post = lock(&self.post);
        change(&mut post.news);
        post.told = true;
        let waker = post.waker.take();
        drop(post);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What has happened to a session's inbox since it looked last.
#[derive(Debug, Default)]
pub struct Wakeup {
    /// New entries. Boxed, since most of the time there are none.
    pub update: Option<Box<InboxUpdate>>,
    /// There were more entries than are handed over: `woken` has none.
    overflowed: bool,
    /// What it listens to was removed.
    pub removed: bool,
    /// Its agent has come back on another connection.
    pub superseded: bool,
}

/// A session's place in the registry; it is left when this is dropped.
pub struct SessionHandle {
    registry: Arc<SessionRegistry>,
    slot: Arc<SessionSlot>,
}

impl SessionRegistry {
    /// Nobody listens yet. When a session is told of a message is stamped there.
    #[must_use]
    pub fn new(traces: Arc<Traces>) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, listening: Counters::default(), opened: Counters::default(), traces }
    }

    /// Starts listening. From now on everything that is committed is told. An agent on a WebSocket has one connection at a
    /// time: an older one is told that it is superseded.
    #[must_use]
    pub fn register(self: &Arc<Self>, scope: &Scope, way: Transport) -> SessionHandle {
        let slot = Arc::new(SessionSlot::new(scope, way));
        self.listening.add(way as usize, 1);
        self.opened.add(way as usize, 1);
        let mut shard = self.shard(scope.inbox);
        match shard.entry(scope.inbox) {
            InboxSlot::Vacant(shelf) => {
                let slots = SessionSlots::One(Arc::clone(&slot));
                shelf.insert(Listeners { last: Position::START, slots });
            }
            InboxSlot::Occupied(mut listeners) => {
                let slots = &mut listeners.get_mut().slots;
                for older in slots.iter().filter(|older| way == Transport::Autopush && older.way == way) {
                    older.tell(|news| news.superseded = true);
                }
                slots.push(Arc::clone(&slot));
            }
        }
        drop(shard);
        SessionHandle { registry: Arc::clone(self), slot }
    }

    /// Lets every agent with one connection look whether there is news for all of them.
    pub fn wake_websockets(&self) {
        for shard in &self.shards {
            for slot in lock(shard).values().flat_map(|listeners| listeners.slots.iter()) {
                if slot.way == Transport::Autopush {
                    slot.tell(|_| {});
                }
            }
        }
    }

    /// Tells sessions what a commit did. Called in the order of commits, by the store's thread.
    pub fn announce(&self, applied: &[Applied]) {
        for change in applied {
            match change {
                Applied::Appended(appended) => {
                    self.traces.record_stored(&appended.message);
                    if !appended.is_dropped() {
                        self.arrived(&Entry::Message(Arc::clone(&appended.message)), appended.replaced);
                    }
                    appended
                        .receipts
                        .iter()
                        .for_each(|receipt| self.arrived(&Entry::Receipt(*receipt), None));
                }
                Applied::Settled(settled) => {
                    settled.receipt.iter().for_each(|receipt| self.arrived(&Entry::Receipt(*receipt), None));
                }
                Applied::Removed(removed) => {
                    removed.receipts.iter().for_each(|receipt| self.arrived(&Entry::Receipt(*receipt), None));
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

    /// How many listen so now.
    #[must_use]
    pub fn session_count(&self, way: Transport) -> u64 {
        self.listening.get(way as usize)
    }

    /// How often somebody began to listen so.
    #[must_use]
    pub fn opened_count(&self, way: Transport) -> u64 {
        self.opened.get(way as usize)
    }

    /// Whether somebody listens to an inbox.
    #[must_use]
    pub fn has_session(&self, inbox: InboxId) -> bool {
        self.shard(inbox).contains_key(&inbox)
    }

    /// Who would take a message of that urgency.
    #[must_use]
    pub fn availability(&self, inbox: InboxId, urgency: Urgency) -> Availability {
        let shard = self.shard(inbox);
        let Some(listeners) = shard.get(&inbox) else { return Availability::NoSession };
        let said = listeners.slots.iter().map(|slot| unpack(slot.says.load(Ordering::Relaxed)));
        let lowest = said.min_by_key(|(_, floor)| *floor);
        match lowest {
            Some((held, floor)) if floor <= urgency => Availability::Session(held),
            Some((_, floor)) => Availability::BelowMinUrgency(floor),
            None => Availability::NoSession,
        }
    }

    /// Tells every session that there may be entries nobody told of.
    pub fn announce_gap(&self) {
        for shard in &self.shards {
            for slot in lock(shard).values().flat_map(|listeners| listeners.slots.iter()) {
                slot.tell(|news| news.update_mut().missed = true);
            }
        }
    }

    /// Offers a message with TTL 0 to the sessions that listen now, and returns how many took it.
    #[must_use]
    pub fn offer(&self, entry: &OutboundEntry) -> usize {
        let Some(message) = entry.message() else { return 0 };
        let shard = self.shard(message.agent);
        let Some(listeners) = shard.get(&message.agent) else { return 0 };
        let mut taken = 0;
        self.traces.record(message.id, Stage::Notified);
        for slot in listeners.slots.iter().filter(|slot| slot.scope.admits_live(entry)) {
            slot.tell(|news| {
                let live = &mut news.update_mut().live;
                if live.len() < UPDATE_ENTRIES {
                    live.push(entry.clone());
                    taken += 1;
                }
            });
        }
        taken
    }

    /// Ends the sessions of a removed subscription, or of a removed inbox (RFC 8030 §7.3).
    pub fn end_sessions(&self, inbox: InboxId, only: Option<SubscriptionId>) {
        let shard = self.shard(inbox);
        for slot in shard.get(&inbox).into_iter().flat_map(|listeners| listeners.slots.iter()) {
            if only.is_none() || slot.scope.subscription == only {
                slot.tell(|news| news.removed = true);
            }
        }
    }

    fn arrived(&self, entry: &Entry, replaced: Option<EntryRef>) {
        let inbox = entry.entry_ref().inbox;
        let mut shard = self.shard(inbox);
        let Some(listeners) = shard.get_mut(&inbox) else { return };
        let previous = std::mem::replace(&mut listeners.last, entry.position());
        if let Entry::Message(message) = entry {
            self.traces.record(message.id, Stage::Notified);
        }
        for slot in listeners.slots.iter() {
            slot.tell(|news| news.add(previous, entry, replaced));
        }
    }

    fn shard(&self, inbox: InboxId) -> MutexGuard<'_, HashMap<InboxId, Listeners>> {
        lock(&self.shards[usize::from(inbox.as_bytes()[0]) % SHARDS])
    }
}

impl Wakeup {
    fn add(&mut self, previous: Position, entry: &Entry, replaced: Option<EntryRef>) {
        let overflowed = self.overflowed;
        let woken = self.update_mut();
        // What waits here and was replaced meanwhile must not be sent any more (RFC 8030 §5.4).
        if let Some(replaced) = replaced {
            woken.entries.retain(|waiting| waiting.entry_ref() != replaced);
        }
        if woken.last == Position::START {
            woken.previous = previous;
        }
        woken.last = entry.position();
        let overflowed = overflowed || woken.entries.len() == UPDATE_ENTRIES;
        if overflowed {
            woken.entries.clear();
        } else {
            woken.entries.push(entry.clone());
        }
        self.overflowed = overflowed;
    }

    fn update_mut(&mut self) -> &mut InboxUpdate {
        self.update.get_or_insert_default()
    }
}

impl SessionHandle {
    /// Says what holds this session back, for whoever asks why a message does not go.
    pub fn set_block_reason(&self, held: BlockReason, min_urgency: Urgency) {
        self.slot.says.store(pack(held, min_urgency), Ordering::Relaxed);
    }

    /// Waits until there may be news.
    pub async fn notified(&self) {
        poll_fn(|cx| self.poll_notified(cx)).await;
    }

    /// [`SessionHandle::arrived`] for one task that asks again and again.
    pub fn poll_notified(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut post = lock(&self.slot.post);
        if std::mem::take(&mut post.told) {
            return Poll::Ready(());
        }
        match &mut post.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether what it listens to was removed; new entries stay where they are.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        lock(&self.slot.post).news.removed
    }

    /// Whether its agent has come back on another connection; new entries stay where they are.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        lock(&self.slot.post).news.superseded
    }

    /// Takes the news.
    #[must_use]
    pub fn take(&self) -> Wakeup {
        std::mem::take(&mut lock(&self.slot.post).news)
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.registry.listening.subtract(self.slot.way as usize, 1);
        let inbox = self.slot.scope.inbox;
        let mut shard = self.registry.shard(inbox);
        if let InboxSlot::Occupied(mut listeners) = shard.entry(inbox)
            && !listeners.get_mut().slots.remove(&self.slot)
        {
            listeners.remove();
        }
    }
}

/// A panic while one of these locks was held can't leave half a change that would do harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
