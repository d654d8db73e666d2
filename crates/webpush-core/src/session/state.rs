//! The state machine of a session; [`super`] has its snapshot.

use super::progress::Progress;
use super::window::Window;
use super::{
    Command, End, Entry, EntryRef, InboxUpdate, Input, OutboundEntry, Page, Position, Redelivery, Scope,
    Timestamp, WaitMode,
};
use crate::message::Draft;
use crate::session::Queue;
use crate::session::{FETCH_ENTRIES, SESSION_LIVE_MESSAGES};
use crate::time::Span;
use crate::urgency::Urgency;
use std::time::Duration;

/// The state of one listening agent, from its first request to its end.
///
/// # Calling protocol
///
/// 1. Call [`next_command`](Self::next_command) until it returns `None`, and carry out each command in order. Answer
///    [`Command::Fetch`] with [`Input::Fetched`], and each [`Command::Deliver`], oldest first, with [`Input::Sent`] or
///    [`Input::Withheld`] once the entry has left.
/// 2. Wait for news of the inbox, an acknowledgement, or [`next_deadline`](Self::next_deadline); pass it to
///    [`handle`](Self::handle) and go back to 1.
/// 3. [`Command::Finish`] is the end. Later acknowledgements may still lead to [`Command::Settle`].
///
/// ```
/// use webpush_core::id::{InboxId, Position};
/// use webpush_core::session::{Command, End, Input, Page, Scope, Session, WaitMode};
/// use webpush_core::time::Timestamp;
/// use webpush_core::urgency::Urgency;
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let scope = Scope { inbox: InboxId::from_bytes([1; 16]), only: None, min_urgency: Urgency::VeryLow };
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
    redelivery: Option<Span>,
    /// What was considered for this agent.
    progress: Progress,
    /// The inbox had entries at least up to here.
    known: Position,
    /// It may have others that nobody told of.
    stale: bool,
    mail: Mail,
    /// Handed out and not known to have left, oldest first.
    outgoing: Queue<OutboundEntry>,
    /// Entries that were taken and are to be settled.
    taken: Vec<EntryRef>,
    sent_any: bool,
    again: Option<Again>,
    /// There if the agent acknowledges on its connection.
    window: Option<Window>,
    live: Queue<OutboundEntry>,
    commands: Queue<Command>,
}

/// What a session does with its mail.
#[derive(Debug, PartialEq, Eq)]
enum Mail {
    /// Waits for news.
    Quiet,
    /// Waits for a page. Everything up to `known` had been committed when it was asked for.
    Fetching {
        pass: Pass,
        known: Position,
        /// It was asked for with a min_urgency that has been lowered since.
        outdated: bool,
    },
    /// Waits until everything handed out has left.
    Sending { pass: Pass, more: bool },
    /// Has ended.
    Over,
}

/// Which part of the inbox is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// What was not sent yet.
    New,
    /// What was sent up to `until` and is still there: it was not acknowledged (RFC 8030 §6.2).
    Again { from: Position, until: Position },
}

/// When to send what was not acknowledged once more: all sent up to `until`, at `due`.
#[derive(Clone, Copy, Debug)]
struct Again {
    due: Timestamp,
    until: Position,
}

impl Session {
    /// Starts listening. The first command is a fetch from the beginning of the inbox.
    #[must_use]
    pub fn new(scope: Scope, wait_mode: WaitMode, redelivery: Redelivery) -> Self {
        let redelivery = if wait_mode == WaitMode::UntilEmpty { None } else { redelivery };
        Self {
            scope,
            wait_mode,
            redelivery: redelivery.map(Span::from),
            progress: Progress::at(Position::START),
            known: Position::START,
            stale: false,
            mail: Mail::Fetching { pass: Pass::New, known: Position::START, outdated: false },
            outgoing: Queue::default(),
            taken: Vec::new(),
            sent_any: false,
            again: None,
            window: None,
            live: Queue::default(),
            commands: Queue::from_iter([Command::Fetch { after: Position::START }]),
        }
    }

    /// Starts listening after a position up to which the agent says that it has everything. What it has but did not
    /// acknowledge is sent again when that is due, as if it had been sent just now.
    #[must_use]
    pub fn resume(
        scope: Scope,
        wait_mode: WaitMode,
        redelivery: Redelivery,
        after: Position,
        now: Timestamp,
    ) -> Self {
        let mut session = Self::new(scope, wait_mode, redelivery);
        if after > Position::START {
            session.progress = Progress::at(after);
            session.commands = Queue::from_iter([Command::Fetch { after }]);
            session.expect_acknowledgement(now);
        }
        session
    }

    /// Starts listening for an agent that acknowledges on its own connection, where nothing gets lost: what it does not
    /// acknowledge comes again with its next session. Each acknowledgement is waited for so long.
    #[must_use]
    pub fn windowed(scope: Scope, acknowledgement_timeout: Duration) -> Self {
        Self { window: Some(Window::new(acknowledgement_timeout)), ..Self::new(scope, WaitMode::Held, None) }
    }

    /// What this session listens to.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether as much is under way as may be: then nothing new is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.window.as_ref().and_then(Window::room_at).is_some()
    }

    /// The next thing to do, oldest first.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to say [`Input::Deadline`] if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let wait_end = match self.wait_mode {
            WaitMode::Until(time) => Some(time),
            WaitMode::Held | WaitMode::UntilEmpty => None,
        };
        // While entries are on their way their acknowledgements can't be missing yet.
        let again = self.again.filter(|_| self.mail == Mail::Quiet).map(|again| again.due);
        let room = self.window.as_ref().filter(|_| self.mail == Mail::Quiet && self.is_behind());
        let room = room.and_then(Window::room_at);
        let over = self.mail == Mail::Over;
        wait_end.into_iter().chain(again).chain(room).min().filter(|_| !over)
    }

    /// Takes one thing that happened.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        if self.mail == Mail::Over && !matches!(input, Input::Acknowledged(_)) {
            return;
        }
        match input {
            Input::Fetched(page) => self.fetched(page, now),
            Input::Sent { taken } => {
                self.sent_any = true;
                self.left(taken, now);
            }
            Input::Withheld => {
                if let (Some(window), Some(OutboundEntry::Stored(entry))) =
                    (&mut self.window, self.outgoing.front())
                {
                    window.take_back(entry.position());
                }
                self.left(false, now);
            }
            Input::Acknowledged(entries) => self.acknowledged(entries, now),
            Input::MinUrgency(min_urgency) => self.set_min_urgency(min_urgency, now),
            Input::Update(woken) => self.woken(woken, now),
            Input::Gone => self.finish(End::Gone),
            Input::Draining => self.finish(self.end()),
            Input::Deadline => self.deadline(now),
        }
    }

    fn fetched(&mut self, page: Page, now: Timestamp) {
        let Mail::Fetching { pass, known, outdated } = self.mail else { return };
        if outdated {
            return self.fetch(Pass::New);
        }
        match pass {
            Pass::New => {
                // What was known of and is not there any more was settled meanwhile: it is not waited for.
                let seen = if page.more { page.seen } else { page.seen.max(known) };
                let entries = page.entries.into_iter().filter(|entry| self.is_wanted(entry)).collect();
                self.progress.advance(self.scope.min_urgency, seen);
                self.send(pass, entries, page.more, now);
            }
            Pass::Again { until, .. } => {
                let more = page.more && page.seen < until;
                let entries = page.entries.into_iter().filter(|entry| entry.position() <= until).collect();
                self.send(Pass::Again { from: page.seen, until }, entries, more, now);
            }
        }
    }

    fn woken(&mut self, woken: InboxUpdate, now: Timestamp) {
        self.known = self.known.max(woken.last);
        self.stale |= woken.missed;
        // With TTL 0 there is no later: what finds no room has expired (RFC 8030 §5.2).
        let room = SESSION_LIVE_MESSAGES.saturating_sub(self.live.len());
        self.live.extend(woken.live.into_iter().filter(|entry| self.scope.admits_live(entry)).take(room));
        if self.mail != Mail::Quiet {
            return;
        }
        let nothing_missed = woken.previous <= self.cursor() && !woken.entries.is_empty() && !self.stale;
        if nothing_missed && self.has_room(woken.entries.len(), now) {
            let entries: Vec<_> = woken.entries.into_iter().filter(|entry| self.is_wanted(entry)).collect();
            self.progress.advance(self.scope.min_urgency, woken.last);
            self.send(Pass::New, entries, false, now);
        } else {
            self.rest(now);
        }
    }

    /// What is not of this inbox is not for this agent to acknowledge; what was never stored is done already.
    fn acknowledged(&mut self, mut entries: Vec<EntryRef>, now: Timestamp) {
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
        if self.mail == Mail::Quiet {
            self.rest(now);
        }
    }

    /// What was passed over for its urgency is looked for.
    fn set_min_urgency(&mut self, min_urgency: Urgency, now: Timestamp) {
        let before = std::mem::replace(&mut self.scope.min_urgency, min_urgency);
        if min_urgency >= before {
            return;
        }
        self.stale = true;
        match &mut self.mail {
            Mail::Quiet => self.rest(now),
            Mail::Fetching { outdated, .. } => *outdated = true,
            Mail::Sending { more, .. } => *more = true,
            Mail::Over => {}
        }
    }

    /// The oldest entry handed out is off the driver's hands.
    fn left(&mut self, taken: bool, now: Timestamp) {
        let Mail::Sending { pass, more } = self.mail else { return };
        if let (Some(OutboundEntry::Stored(entry)), true) = (self.outgoing.pop_front(), taken) {
            self.taken.push(entry.entry_ref());
        }
        if self.outgoing.is_empty() {
            if !self.taken.is_empty() {
                let entries = std::mem::take(&mut self.taken);
                self.commands.push_back(Command::Settle { entries, durable: true });
            }
            self.go_on(pass, more, now);
        }
    }

    fn deadline(&mut self, now: Timestamp) {
        if matches!(self.wait_mode, WaitMode::Until(time) if time <= now) {
            return self.finish(self.end());
        }
        if let (Mail::Quiet, Some(again)) = (&self.mail, self.again.filter(|again| again.due <= now)) {
            self.again = None;
            if self.cursor() > again.until {
                // What was sent since is looked at next time.
                self.expect_acknowledgement(now);
            }
            self.fetch(Pass::Again { from: Position::START, until: again.until });
        } else if self.mail == Mail::Quiet {
            self.rest(now);
        }
    }

    /// Hands out what may be sent now, or goes on when that is nothing.
    fn send(&mut self, pass: Pass, entries: Vec<Entry>, more: bool, now: Timestamp) {
        let fresh: Queue<_> =
            entries.into_iter().filter(|entry| !entry.is_expired(now)).map(OutboundEntry::Stored).collect();
        if fresh.is_empty() {
            self.go_on(pass, more, now);
        } else {
            self.hand_out(fresh, pass, more, now);
            self.expect_acknowledgement(now);
        }
    }

    fn hand_out(&mut self, entries: Queue<OutboundEntry>, pass: Pass, more: bool, now: Timestamp) {
        if let Some(window) = &mut self.window {
            entries.iter().for_each(|entry| window.deliver(entry, now));
        }
        self.commands.extend(entries.iter().cloned().map(Command::Deliver));
        self.outgoing = entries;
        self.mail = Mail::Sending { pass, more };
    }

    /// One part of the inbox is done with: reads the next part, or rests.
    fn go_on(&mut self, pass: Pass, more: bool, now: Timestamp) {
        if more && self.has_room(FETCH_ENTRIES, now) {
            self.fetch(pass);
        } else {
            self.stale |= more;
            self.rest(now);
        }
    }

    /// Nothing is under way: takes what came meanwhile, ends, or waits.
    fn rest(&mut self, now: Timestamp) {
        self.mail = Mail::Quiet;
        if !self.live.is_empty() {
            let live = std::mem::take(&mut self.live);
            self.hand_out(live, Pass::New, false, now);
        } else if self.is_behind() {
            if self.has_room(FETCH_ENTRIES, now) {
                self.stale = false;
                self.fetch(Pass::New);
            }
        } else if self.is_wait_over(now) {
            self.finish(self.end());
        }
    }

    /// There are, or may be, entries that were not looked at.
    fn is_behind(&self) -> bool {
        self.known > self.cursor() || self.stale
    }

    fn has_room(&mut self, entries: usize, now: Timestamp) -> bool {
        self.window.as_mut().is_none_or(|window| window.has_room(entries, now))
    }

    /// Everything up to here was considered.
    fn cursor(&self) -> Position {
        self.progress.cursor(self.scope.min_urgency)
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        self.scope.admits(entry) && self.progress.is_new(entry)
    }

    fn is_wait_over(&self, now: Timestamp) -> bool {
        match self.wait_mode {
            WaitMode::Held => false,
            WaitMode::UntilEmpty => true,
            WaitMode::Until(time) => time <= now,
        }
    }

    fn fetch(&mut self, pass: Pass) {
        let after = match pass {
            Pass::New => self.cursor(),
            Pass::Again { from, .. } => from,
        };
        self.mail = Mail::Fetching { pass, known: self.known, outdated: false };
        self.commands.push_back(Command::Fetch { after });
    }

    /// Sets the time of the next look at what is still unacknowledged. One timer serves all: an entry is sent again
    /// between one and two redelivery times after it was sent.
    fn expect_acknowledgement(&mut self, now: Timestamp) {
        if let (None, Some(timeout)) = (&self.again, self.redelivery) {
            self.again = Some(Again { due: now.after(timeout), until: self.cursor() });
        }
    }

    const fn end(&self) -> End {
        if self.sent_any { End::Complete } else { End::Nothing }
    }

    fn finish(&mut self, end: End) {
        self.mail = Mail::Over;
        self.live.clear();
        self.outgoing.clear();
        // What was taken is settled all the same, or it would be given twice.
        self.commands.retain(|command| matches!(command, Command::Settle { .. }));
        self.commands.push_back(Command::Finish(end));
    }
}

impl Scope {
    /// Returns true if an entry of the inbox is for this session.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Message(message) => self.admits_message(message),
            Entry::Receipt(_) => true,
        }
    }

    /// Returns true if an entry of the inbox, or a message that no store has, is for this session.
    #[must_use]
    pub fn admits_live(&self, entry: &OutboundEntry) -> bool {
        entry.message().is_none_or(|message| self.admits_message(message))
    }

    fn admits_message(&self, message: &Draft) -> bool {
        message.urgency >= self.min_urgency && self.only.is_none_or(|only| message.subscription == only)
    }
}
