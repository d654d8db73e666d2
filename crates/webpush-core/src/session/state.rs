//! The state machine of a session; [`super`] has its picture.

use super::{
    Command, End, Entry, EntryRef, Input, Page, Patience, Position, Redelivery, Scope, Timestamp, Woken,
};
use crate::limits::SESSION_LIVE_MESSAGES;
use std::collections::VecDeque;

/// One listening agent, from its first request to its end.
#[derive(Debug)]
pub struct Session {
    scope: Scope,
    patience: Patience,
    redelivery: Redelivery,
    /// Everything up to here was considered for this agent.
    cursor: Position,
    /// The inbox had entries at least up to here.
    known: Position,
    /// It may have others that nobody told of.
    stale: bool,
    mail: Mail,
    /// Handed out and not known to have left, oldest first.
    outgoing: VecDeque<Entry>,
    /// Entries that were taken and are to be settled.
    taken: Vec<EntryRef>,
    sent_any: bool,
    again: Option<Again>,
    live: VecDeque<Entry>,
    commands: VecDeque<Command>,
}

/// What a session does with its mail.
#[derive(Debug, PartialEq, Eq)]
enum Mail {
    /// Waits for news.
    Quiet,
    /// Waits for a page. Everything up to `known` had been committed when it was asked for.
    Fetching { pass: Pass, known: Position },
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
    pub fn new(scope: Scope, patience: Patience, redelivery: Redelivery) -> Self {
        let redelivery = if patience == Patience::UntilEmpty { None } else { redelivery };
        Self {
            scope,
            patience,
            redelivery,
            cursor: Position::START,
            known: Position::START,
            stale: false,
            mail: Mail::Fetching { pass: Pass::New, known: Position::START },
            outgoing: VecDeque::new(),
            taken: Vec::new(),
            sent_any: false,
            again: None,
            live: VecDeque::new(),
            commands: VecDeque::from([Command::Fetch { after: Position::START }]),
        }
    }

    /// Starts listening after a position up to which the agent says that it has everything. What it has but did not
    /// acknowledge is sent again when that is due, as if it had been sent just now.
    #[must_use]
    pub fn resume(
        scope: Scope,
        patience: Patience,
        redelivery: Redelivery,
        after: Position,
        now: Timestamp,
    ) -> Self {
        let mut session = Self::new(scope, patience, redelivery);
        if after > Position::START {
            session.cursor = after;
            session.commands = VecDeque::from([Command::Fetch { after }]);
            session.expect_acknowledgement(now);
        }
        session
    }

    /// What this session listens to.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The next thing to do, oldest first.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to say [`Input::Deadline`] if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let patience = match self.patience {
            Patience::Until(time) => Some(time),
            Patience::Held | Patience::UntilEmpty => None,
        };
        // While entries are on their way their acknowledgements can't be missing yet.
        let again = self.again.filter(|_| self.mail == Mail::Quiet).map(|again| again.due);
        let over = self.mail == Mail::Over;
        patience.into_iter().chain(again).min().filter(|_| !over)
    }

    /// Takes one thing that happened.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        if self.mail == Mail::Over {
            return;
        }
        match input {
            Input::Fetched(page) => self.fetched(page, now),
            Input::Sent { taken } => {
                self.sent_any = true;
                self.left(taken, now);
            }
            Input::Withheld => self.left(false, now),
            Input::Woken(woken) => self.woken(woken, now),
            Input::Gone => self.finish(End::Gone),
            Input::Draining => self.finish(self.end()),
            Input::Deadline => self.deadline(now),
        }
    }

    fn fetched(&mut self, page: Page, now: Timestamp) {
        let Mail::Fetching { pass, known } = self.mail else { return };
        match pass {
            Pass::New => {
                // What was known of and is not there any more was settled meanwhile: it is not waited for.
                let seen = if page.more { page.seen } else { page.seen.max(known) };
                self.cursor = self.cursor.max(seen);
                self.send(pass, page.entries, page.more, now);
            }
            Pass::Again { until, .. } => {
                let more = page.more && page.seen < until;
                let entries = page.entries.into_iter().filter(|entry| entry.position() <= until).collect();
                self.send(Pass::Again { from: page.seen, until }, entries, more, now);
            }
        }
    }

    fn woken(&mut self, woken: Woken, now: Timestamp) {
        self.known = self.known.max(woken.last);
        self.stale |= woken.missed;
        // With TTL 0 there is no later: what finds no room has expired (RFC 8030 §5.2).
        let room = SESSION_LIVE_MESSAGES.saturating_sub(self.live.len());
        self.live.extend(woken.live.into_iter().filter(|entry| self.scope.admits(entry)).take(room));
        if self.mail != Mail::Quiet {
            return;
        }
        let nothing_missed = woken.previous <= self.cursor && !woken.entries.is_empty() && !self.stale;
        if nothing_missed {
            let new = woken.entries.into_iter().filter(|entry| entry.position() > self.cursor);
            let entries: Vec<_> = new.filter(|entry| self.scope.admits(entry)).collect();
            self.cursor = self.cursor.max(woken.last);
            self.send(Pass::New, entries, false, now);
        } else {
            self.rest(now);
        }
    }

    /// The oldest entry handed out is off the driver's hands.
    fn left(&mut self, taken: bool, now: Timestamp) {
        let Mail::Sending { pass, more } = self.mail else { return };
        if let Some(entry) = self.outgoing.pop_front().filter(|entry| taken && entry.is_stored()) {
            self.taken.push(entry.entry_ref());
        }
        if self.outgoing.is_empty() {
            if !self.taken.is_empty() {
                self.commands.push_back(Command::Settle(std::mem::take(&mut self.taken)));
            }
            self.go_on(pass, more, now);
        }
    }

    fn deadline(&mut self, now: Timestamp) {
        if matches!(self.patience, Patience::Until(time) if time <= now) {
            return self.finish(self.end());
        }
        if let (Mail::Quiet, Some(again)) = (&self.mail, self.again.filter(|again| again.due <= now)) {
            self.again = None;
            if self.cursor > again.until {
                // What was sent since is looked at next time.
                self.expect_acknowledgement(now);
            }
            self.fetch(Pass::Again { from: Position::START, until: again.until });
        }
    }

    /// Hands out what may be sent now, or goes on when that is nothing.
    fn send(&mut self, pass: Pass, entries: Vec<Entry>, more: bool, now: Timestamp) {
        let fresh: VecDeque<_> = entries.into_iter().filter(|entry| !entry.is_expired(now)).collect();
        if fresh.is_empty() {
            self.go_on(pass, more, now);
        } else {
            self.hand_out(fresh, pass, more);
            self.expect_acknowledgement(now);
        }
    }

    fn hand_out(&mut self, entries: VecDeque<Entry>, pass: Pass, more: bool) {
        self.commands.extend(entries.iter().cloned().map(Command::Deliver));
        self.outgoing = entries;
        self.mail = Mail::Sending { pass, more };
    }

    /// One part of the inbox is done with: reads the next part, or rests.
    fn go_on(&mut self, pass: Pass, more: bool, now: Timestamp) {
        if more {
            self.fetch(pass);
        } else {
            self.rest(now);
        }
    }

    /// Nothing is under way: takes what came meanwhile, ends, or waits.
    fn rest(&mut self, now: Timestamp) {
        self.mail = Mail::Quiet;
        if !self.live.is_empty() {
            let live = std::mem::take(&mut self.live);
            self.hand_out(live, Pass::New, false);
        } else if self.known > self.cursor || self.stale {
            self.stale = false;
            self.fetch(Pass::New);
        } else if self.is_out_of_patience(now) {
            self.finish(self.end());
        }
    }

    fn is_out_of_patience(&self, now: Timestamp) -> bool {
        match self.patience {
            Patience::Held => false,
            Patience::UntilEmpty => true,
            Patience::Until(time) => time <= now,
        }
    }

    fn fetch(&mut self, pass: Pass) {
        let after = match pass {
            Pass::New => self.cursor,
            Pass::Again { from, .. } => from,
        };
        self.mail = Mail::Fetching { pass, known: self.known };
        self.commands.push_back(Command::Fetch { after });
    }

    /// Sets the time of the next look at what is still unacknowledged. One timer serves all: an entry is sent again
    /// between one and two redelivery times after it was sent.
    fn expect_acknowledgement(&mut self, now: Timestamp) {
        if let (None, Some(timeout)) = (&self.again, self.redelivery) {
            self.again = Some(Again { due: now.after(timeout), until: self.cursor });
        }
    }

    const fn end(&self) -> End {
        if self.sent_any { End::Complete } else { End::Nothing }
    }

    fn finish(&mut self, end: End) {
        self.mail = Mail::Over;
        self.live.clear();
        self.outgoing.clear();
        // What was taken is settled all the same, or they would be given twice.
        self.commands.retain(|command| matches!(command, Command::Settle(_)));
        self.commands.push_back(Command::Finish(end));
    }
}

impl Scope {
    /// Whether an entry is for this session.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Message(message) => {
                message.urgency >= self.floor && self.only.is_none_or(|only| message.subscription == only)
            }
            Entry::Receipt(_) => true,
        }
    }
}
