//! Whether an agent on a connection of its own is still there: asked only when it is silent, and left alone as long as it
//! asks by itself, since each question wakes a phone.

use crate::time::{Span, Timestamp};
use std::time::Duration;

/// The keepalive of one connection.
///
/// # Calling protocol
///
/// Call [`heard`](Self::heard) for every sign of life and [`was_asked`](Self::was_asked) for every ping of the agent. At
/// [`next_deadline`](Self::next_deadline) call [`look`](Self::look): it says when to ping and when to give up.
///
/// ```
/// use std::time::Duration;
/// use webpush_core::session::keepalive::{Keepalive, Silence};
/// use webpush_core::time::Timestamp;
///
/// let start = Timestamp::from_millis(0);
/// let mut keepalive = Keepalive::new(Duration::from_secs(360), Duration::from_secs(60), start);
/// let ping = keepalive.next_deadline();
/// assert_eq!(keepalive.look(ping), Silence::Ask);
/// assert_eq!(keepalive.look(keepalive.next_deadline()), Silence::GiveUp);
/// ```
#[derive(Debug)]
pub struct Keepalive {
    /// After how much silence to ask.
    interval: Span,
    /// How long to wait for any sign of life then.
    patience: Span,
    heard: Timestamp,
    /// When it was asked, if it was silent since; else never.
    asked: Timestamp,
    own: OwnPings,
}

/// How often the agent asks by itself.
#[derive(Debug)]
struct OwnPings {
    last: Timestamp,
    /// The longest span until it has asked.
    every: Span,
}

/// What to do about a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It has not lasted long.
    Wait,
    /// Ask.
    Ask,
    /// Nobody is there.
    GiveUp,
}

impl Keepalive {
    /// Of a connection that begins now.
    #[must_use]
    pub fn new(interval: Duration, patience: Duration, now: Timestamp) -> Self {
        Self {
            interval: interval.into(),
            patience: patience.into(),
            heard: now,
            asked: Timestamp::NEVER,
            own: OwnPings { last: now, every: Span::MAX },
        }
    }

    /// Something came from the agent.
    pub const fn heard(&mut self, now: Timestamp) {
        self.heard = now;
        self.asked = Timestamp::NEVER;
    }

    /// The agent asked whether we are there.
    pub fn was_asked(&mut self, now: Timestamp) {
        self.own.every = self.own.last.until(now).into();
        self.own.last = now;
        self.heard(now);
    }

    /// When to look at the silence next.
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        match self.asked {
            Timestamp::NEVER => self.heard.after(self.silence_allowed()),
            asked => asked.after(self.patience),
        }
    }

    /// What to do now.
    pub fn look(&mut self, now: Timestamp) -> Silence {
        if now < self.next_deadline() {
            return Silence::Wait;
        }
        if self.asked != Timestamp::NEVER {
            return Silence::GiveUp;
        }
        self.asked = now;
        Silence::Ask
    }

    /// An agent that asks about as often as we would, or oftener, is asked only when it has missed its own turn twice. One
    /// that asks rarely does not keep the connection open in the routers between.
    fn silence_allowed(&self) -> Duration {
        let (interval, every) = (Duration::from(self.interval), Duration::from(self.own.every));
        if every <= 2 * interval { interval.max(3 * every) } else { interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const INTERVAL: Duration = Duration::from_secs(360);
    const PATIENCE: Duration = Duration::from_secs(60);

    fn after(seconds: u64) -> Timestamp {
        START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_silent_agent_is_asked_and_then_given_up() {
        let mut keepalive = Keepalive::new(INTERVAL, PATIENCE, START);
        assert_eq!(keepalive.look(after(359)), Silence::Wait);
        assert_eq!(keepalive.look(after(360)), Silence::Ask);
        assert_eq!(keepalive.next_deadline(), after(420));
        assert_eq!(keepalive.look(after(419)), Silence::Wait);
        assert_eq!(keepalive.look(after(420)), Silence::GiveUp);
    }

    #[test]
    fn any_sign_of_life_counts() {
        let mut keepalive = Keepalive::new(INTERVAL, PATIENCE, START);
        assert_eq!(keepalive.look(after(360)), Silence::Ask);
        keepalive.heard(after(400));
        assert_eq!(keepalive.next_deadline(), after(760));
        assert_eq!(keepalive.look(after(760)), Silence::Ask);
    }

    #[test]
    fn an_agent_that_asks_by_itself_is_never_asked() {
        for every in [45, 60, 300] {
            let mut keepalive = Keepalive::new(INTERVAL, PATIENCE, START);
            for turn in 1..100 {
                assert_eq!(keepalive.look(after(turn * every)), Silence::Wait, "every {every} s");
                keepalive.was_asked(after(turn * every));
            }
            let allowed = 360.max(3 * every);
            assert_eq!(keepalive.look(after(99 * every + allowed)), Silence::Ask, "it has fallen silent");
        }
    }

    #[test]
    fn an_agent_that_asks_every_half_hour_is_asked_between() {
        let mut keepalive = Keepalive::new(INTERVAL, PATIENCE, START);
        keepalive.was_asked(after(1800));
        assert_eq!(keepalive.next_deadline(), after(2160));
    }
}
