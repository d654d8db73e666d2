//! The state machine of a session; [`super`] has a diagram.

use super::progress::Progress;
use super::window::Window;
use super::{
    Command, End, Entry, EntryRef, InboxUpdate, Input, OutboundEntry, Page, Position, Redelivery, Scope,
    Timestamp, WaitMode,
};
use crate::message::Draft;
use crate::session::Queue;
use crate::session::{FETCH_ENTRIES, SESSION_LIVE_MESSAGES};
use crate::time::CompactDuration;
use crate::urgency::Urgency;
use std::time::Duration;

/// The delivery of an inbox to one connected agent.
///
/// # Calling protocol
///
/// 1. Call [`next_command`](Self::next_command) until it returns `None`, and carry out each command in order. Pass
///    [`Input::Fetched`] for [`Command::Fetch`], and [`Input::Sent`] or [`Input::Skipped`] for each [`Command::Deliver`],
///    oldest first.
/// 2. Wait for an update of the inbox, an acknowledgement, or [`next_deadline`](Self::next_deadline); pass it to
///    [`handle`](Self::handle) and go back to 1.
/// 3. The session ends with [`Command::Finish`]. Later acknowledgements may still lead to [`Command::Settle`].
///
/// ```
/// use webpush_core::id::{InboxId, Position};
/// use webpush_core::session::{Command, End, Input, Page, Scope, Session, WaitMode};
/// use webpush_core::time::Timestamp;
/// use webpush_core::urgency::Urgency;
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let inbox = InboxId::from_bytes([1; 16]);
/// let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
/// let mut session = Session::new(scope, WaitMode::UntilEmpty, None);
///
/// assert_eq!(session.next_command(), Some(Command::Fetch { after: Position::START }));
/// session.handle(Input::Fetched(Page::default()), now);
/// assert_eq!(session.next_command(), Some(Command::Finish(End::Nothing)));
/// ```
#[derive(Debug)]
pub struct Session {
    scope: Scope,
    wait_mode: WaitMode,
    redelivery: Option<CompactDuration>,
    progress: Progress,
    /// The last position of the inbox according to updates.
    known: Position,
    /// True if the inbox may have entries for which there was no update.
    stale: bool,
    state: State,
    /// Entries of pending [`Command::Deliver`]s, oldest first.
    outgoing: Queue<OutboundEntry>,
    /// Confirmed entries, to be settled once `outgoing` is empty.
    confirmed: Vec<EntryRef>,
    sent_any: bool,
    next_redelivery: Option<NextRedelivery>,
    /// Present if the agent acknowledges on its own connection.
    window: Option<Window>,
    /// TTL 0 messages that wait for `outgoing`.
    live: Queue<OutboundEntry>,
    commands: Queue<Command>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Waits for an update.
    Idle,
    /// Waits for a page.
    Fetching {
        pass: Pass,
        /// Value of [`Session::known`] at the time of the fetch.
        known: Position,
        /// True if the minimum urgency was lowered since the fetch.
        outdated: bool,
    },
    /// Waits for the pending deliveries.
    Sending {
        pass: Pass,
        more: bool,
    },
    Finished,
}

/// The part of the inbox that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Entries that were not sent yet.
    New,
    /// Redelivery of the unacknowledged entries up to `until` (RFC 8030 §6.2).
    Redelivery { from: Position, until: Position },
}

/// The time of the next redelivery, and the position up to which entries are due then.
#[derive(Clone, Copy, Debug)]
struct NextRedelivery {
    due: Timestamp,
    until: Position,
}

impl Session {
    /// Creates a session that starts at the beginning of the inbox.
    #[must_use]
    pub fn new(scope: Scope, wait_mode: WaitMode, redelivery: Redelivery) -> Self {
        let redelivery = if wait_mode == WaitMode::UntilEmpty { None } else { redelivery };
        Self {
            scope,
            wait_mode,
            redelivery: redelivery.map(CompactDuration::from),
            progress: Progress::at(Position::START),
            known: Position::START,
            stale: false,
            state: State::Fetching { pass: Pass::New, known: Position::START, outdated: false },
            outgoing: Queue::default(),
            confirmed: Vec::new(),
            sent_any: false,
            next_redelivery: None,
            window: None,
            live: Queue::default(),
            commands: Queue::from_iter([Command::Fetch { after: Position::START }]),
        }
    }

    /// Creates a session that resumes after a position up to which the agent has received everything.
    ///
    /// Unacknowledged entries up to that position are redelivered as if they were sent at `now`. A session that does not
    /// wait has no redelivery, so it starts at the beginning: the agent may never have received an entry up to there that
    /// an earlier scope excluded.
    #[must_use]
    pub fn resume(
        scope: Scope,
        wait_mode: WaitMode,
        redelivery: Redelivery,
        after: Position,
        now: Timestamp,
    ) -> Self {
        let mut session = Self::new(scope, wait_mode, redelivery);
        if after > Position::START && wait_mode != WaitMode::UntilEmpty {
            session.progress = Progress::at(after);
            session.commands = Queue::from_iter([Command::Fetch { after }]);
            session.schedule_redelivery(now);
        }
        session
    }

    /// Creates a session for an agent that acknowledges on its own connection.
    ///
    /// At most [`SESSION_WINDOW`](super::SESSION_WINDOW) messages are in flight; one without an acknowledgement stops
    /// counting after `acknowledgement_timeout`. Unacknowledged messages are sent again in the next session only.
    #[must_use]
    pub fn windowed(scope: Scope, acknowledgement_timeout: Duration) -> Self {
        let window = Some(Window::new(acknowledgement_timeout));
        Self { window, ..Self::new(scope, WaitMode::Indefinite, None) }
    }

    /// Returns the scope.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns true until every entry that was handed out has been reported as sent or skipped.
    #[must_use]
    pub const fn is_sending(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Returns true if the window has no room for a page, so that nothing is fetched.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.window.as_ref().and_then(Window::room_at).is_some()
    }

    /// Returns the next command; `None` until the next event.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Returns the time at which to handle [`Input::Deadline`] unless another event comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let wait_end = match self.wait_mode {
            WaitMode::Until(time) => Some(time),
            WaitMode::Indefinite | WaitMode::UntilEmpty => None,
        };
        // Pending deliveries cannot be acknowledged yet.
        let is_idle = self.state == State::Idle;
        let redelivery = self.next_redelivery.filter(|_| is_idle).map(|next| next.due);
        let room = self.window.as_ref().filter(|_| is_idle && self.is_behind());
        let room = room.and_then(Window::room_at);
        let is_finished = self.state == State::Finished;
        wait_end.into_iter().chain(redelivery).chain(room).min().filter(|_| !is_finished)
    }

    /// Handles an event.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        if self.state == State::Finished && !matches!(input, Input::Acknowledged(_)) {
            return;
        }
        match input {
            Input::Fetched(page) => self.handle_page(page, now),
            Input::Sent { confirmed } => {
                self.sent_any = true;
                self.complete_delivery(confirmed, now);
            }
            Input::Skipped => {
                if let (Some(window), Some(OutboundEntry::Stored(entry))) =
                    (&mut self.window, self.outgoing.front())
                {
                    window.remove(entry.position());
                }
                self.complete_delivery(false, now);
            }
            Input::Acknowledged(entries) => self.acknowledge(entries, now),
            Input::MinUrgency(min_urgency) => self.set_min_urgency(min_urgency, now),
            Input::Update(update) => self.handle_update(update, now),
            Input::Gone => self.finish(End::Gone),
            Input::Superseded | Input::Draining => self.finish(self.end()),
            Input::Deadline => self.handle_deadline(now),
        }
    }

    fn handle_page(&mut self, page: Page, now: Timestamp) {
        let State::Fetching { pass, known, outdated } = self.state else { return };
        if outdated {
            return self.fetch(Pass::New);
        }
        match pass {
            Pass::New => {
                // Known entries that the last page lacks were settled meanwhile.
                let end = if page.more { page.scanned } else { page.scanned.max(known) };
                let entries = page.entries.into_iter().filter(|entry| self.is_wanted(entry)).collect();
                self.progress.advance(self.scope.min_urgency, end);
                self.send(pass, entries, page.more, now);
            }
            Pass::Redelivery { until, .. } => {
                let more = page.more && page.scanned < until;
                let entries = page.entries.into_iter().filter(|entry| entry.position() <= until).collect();
                self.send(Pass::Redelivery { from: page.scanned, until }, entries, more, now);
            }
        }
    }

    fn handle_update(&mut self, update: InboxUpdate, now: Timestamp) {
        self.known = self.known.max(update.last);
        self.stale |= update.missed;
        // TTL 0 messages above the limit are discarded (RFC 8030 §5.2).
        let room = SESSION_LIVE_MESSAGES.saturating_sub(self.live.len());
        self.live.extend(update.live.into_iter().filter(|entry| self.scope.admits_live(entry)).take(room));
        if self.state != State::Idle {
            return;
        }
        let is_contiguous = update.previous <= self.cursor() && !update.entries.is_empty() && !self.stale;
        if is_contiguous && self.has_room(update.entries.len(), now) {
            let entries: Vec<_> = update.entries.into_iter().filter(|entry| self.is_wanted(entry)).collect();
            self.progress.advance(self.scope.min_urgency, update.last);
            self.send(Pass::New, entries, false, now);
        } else {
            self.idle(now);
        }
    }

    /// Settles acknowledged entries, except those of other inboxes and those that were never stored.
    fn acknowledge(&mut self, mut entries: Vec<EntryRef>, now: Timestamp) {
        let Some(window) = &mut self.window else { return };
        entries.retain(|entry| entry.inbox == self.scope.inbox && entry.is_stored());
        if entries.is_empty() {
            return;
        }
        let mut durable = false;
        for entry in &entries {
            durable |= window.acknowledge(entry);
        }
        self.commands.push_back(Command::Settle { entries, durable });
        if self.state == State::Idle {
            self.idle(now);
        }
    }

    /// Changes the minimum urgency. If it is lowered, entries that were excluded before are fetched.
    fn set_min_urgency(&mut self, min_urgency: Urgency, now: Timestamp) {
        let before = std::mem::replace(&mut self.scope.min_urgency, min_urgency);
        if min_urgency >= before {
            return;
        }
        self.stale = true;
        match &mut self.state {
            State::Idle => self.idle(now),
            State::Fetching { outdated, .. } => *outdated = true,
            State::Sending { more, .. } => *more = true,
            State::Finished => {}
        }
    }

    /// Completes the oldest pending delivery.
    fn complete_delivery(&mut self, confirmed: bool, now: Timestamp) {
        let State::Sending { pass, more } = self.state else { return };
        if let (Some(OutboundEntry::Stored(entry)), true) = (self.outgoing.pop_front(), confirmed) {
            self.confirmed.push(entry.entry_ref());
        }
        if self.outgoing.is_empty() {
            if !self.confirmed.is_empty() {
                let entries = std::mem::take(&mut self.confirmed);
                self.commands.push_back(Command::Settle { entries, durable: true });
            }
            self.advance(pass, more, now);
        }
    }

    fn handle_deadline(&mut self, now: Timestamp) {
        if matches!(self.wait_mode, WaitMode::Until(time) if time <= now) {
            return self.finish(self.end());
        }
        if self.state != State::Idle {
            return;
        }
        if let Some(next) = self.next_redelivery.take_if(|next| next.due <= now) {
            if self.cursor() > next.until {
                // Entries that were sent later are due at the following redelivery.
                self.schedule_redelivery(now);
            }
            self.fetch(Pass::Redelivery { from: Position::START, until: next.until });
        } else {
            self.idle(now);
        }
    }

    /// Delivers the entries that have not expired; continues with the inbox if there are none.
    ///
    /// TTL 0 messages are offered instead. They look unexpired if the clock is behind that of the node that accepted them.
    fn send(&mut self, pass: Pass, entries: Vec<Entry>, more: bool, now: Timestamp) {
        let is_offered =
            |entry: &Entry| matches!(entry, Entry::Message(message) if message.is_now_or_never());
        let is_due = |entry: &Entry| !entry.is_expired(now) && !is_offered(entry);
        let entries: Queue<_> = entries.into_iter().filter(is_due).map(OutboundEntry::Stored).collect();
        if entries.is_empty() {
            self.advance(pass, more, now);
        } else {
            self.deliver(entries, pass, more, now);
            self.schedule_redelivery(now);
        }
    }

    fn deliver(&mut self, entries: Queue<OutboundEntry>, pass: Pass, more: bool, now: Timestamp) {
        if let Some(window) = &mut self.window {
            entries.iter().for_each(|entry| window.deliver(entry, now));
        }
        self.commands.extend(entries.iter().cloned().map(Command::Deliver));
        self.outgoing = entries;
        self.state = State::Sending { pass, more };
    }

    /// Fetches the next page if there is one and the window has room; becomes idle otherwise.
    fn advance(&mut self, pass: Pass, more: bool, now: Timestamp) {
        if more && self.has_room(FETCH_ENTRIES, now) {
            self.fetch(pass);
        } else {
            self.stale |= more;
            self.idle(now);
        }
    }

    /// Becomes idle, unless entries arrived meanwhile or the wait is over.
    fn idle(&mut self, now: Timestamp) {
        self.state = State::Idle;
        if !self.live.is_empty() {
            let live = std::mem::take(&mut self.live);
            self.deliver(live, Pass::New, false, now);
        } else if self.is_behind() {
            if self.has_room(FETCH_ENTRIES, now) {
                self.stale = false;
                self.fetch(Pass::New);
            }
        } else if self.is_wait_over(now) {
            self.finish(self.end());
        }
    }

    /// Returns true if there are, or may be, unprocessed entries.
    fn is_behind(&self) -> bool {
        self.known > self.cursor() || self.stale
    }

    fn has_room(&mut self, entries: usize, now: Timestamp) -> bool {
        self.window.as_mut().is_none_or(|window| window.has_room(entries, now))
    }

    /// Returns the position up to which everything is processed.
    fn cursor(&self) -> Position {
        self.progress.cursor(self.scope.min_urgency)
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        self.scope.admits(entry) && self.progress.is_new(entry)
    }

    fn is_wait_over(&self, now: Timestamp) -> bool {
        match self.wait_mode {
            WaitMode::Indefinite => false,
            WaitMode::UntilEmpty => true,
            WaitMode::Until(time) => time <= now,
        }
    }

    fn fetch(&mut self, pass: Pass) {
        let after = match pass {
            Pass::New => self.cursor(),
            Pass::Redelivery { from, .. } => from,
        };
        self.state = State::Fetching { pass, known: self.known, outdated: false };
        self.commands.push_back(Command::Fetch { after });
    }

    /// Schedules the next redelivery unless there is one.
    ///
    /// One timer serves all entries: an entry is sent again between one and two redelivery times after it was sent.
    fn schedule_redelivery(&mut self, now: Timestamp) {
        if let (None, Some(timeout)) = (&self.next_redelivery, self.redelivery) {
            self.next_redelivery = Some(NextRedelivery { due: now.after(timeout), until: self.cursor() });
        }
    }

    const fn end(&self) -> End {
        if self.sent_any { End::Complete } else { End::Nothing }
    }

    fn finish(&mut self, end: End) {
        self.state = State::Finished;
        self.live.clear();
        self.outgoing.clear();
        // Confirmed entries must be settled, or they would be delivered twice.
        self.commands.retain(|command| matches!(command, Command::Settle { .. }));
        self.commands.push_back(Command::Finish(end));
    }
}

impl Scope {
    /// Returns true if a stored entry of the inbox is in the scope, whether or not it has expired.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Message(message) => self.admits_message(message),
            Entry::Receipt(_) => self.admits_receipts(),
        }
    }

    /// Returns true if an entry of the inbox, stored or not, is in the scope.
    #[must_use]
    pub fn admits_live(&self, entry: &OutboundEntry) -> bool {
        entry.message().map_or_else(|| self.admits_receipts(), |message| self.admits_message(message))
    }

    /// A receipt has no subscription and no urgency: only a scope of one subscription excludes it.
    const fn admits_receipts(&self) -> bool {
        self.subscription.is_none()
    }

    fn admits_message(&self, message: &Draft) -> bool {
        message.urgency >= self.min_urgency && self.subscription.is_none_or(|id| message.subscription == id)
    }
}
