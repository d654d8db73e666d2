//! Whether an agent on a connection of its own is still there: asked only when it is silent, and left alone as long as it
//! asks by itself, since each question wakes a phone.

use crate::time::{Span, Timestamp};
use std::time::Duration;

/// The keepalive of one connection.
///
/// # Calling protocol
///
/// Call [`on_activity`](Self::on_activity) for every sign of life and [`on_ping`](Self::on_ping) for every ping of the agent. At
/// [`next_deadline`](Self::next_deadline) call [`check`](Self::check): it says when to ping and when to give up.
///
/// ```
/// use std::time::Duration;
/// use webpush_core::session::keepalive::{Keepalive, KeepaliveAction};
/// use webpush_core::time::Timestamp;
///
/// let start = Timestamp::from_millis(0);
/// let mut keepalive = Keepalive::new(Duration::from_secs(360), Duration::from_secs(60), start);
/// let ping = keepalive.next_deadline();
/// assert_eq!(keepalive.check(ping), KeepaliveAction::Ping);
/// assert_eq!(keepalive.check(keepalive.next_deadline()), KeepaliveAction::Close);
/// ```
#[derive(Debug)]
pub struct Keepalive {
    /// After how much silence to ask.
    interval: Span,
    /// How long to wait for any sign of life then.
    timeout: Span,
    last_activity: Timestamp,
    /// When it was asked, if it was silent since; else never.
    pinged: Timestamp,
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
pub enum KeepaliveAction {
    /// It has not lasted long.
    Wait,
    /// Ask.
    Ping,
    /// Nobody is there.
    Close,
}

impl Keepalive {
    /// Of a connection that begins now.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration, now: Timestamp) -> Self {
        Self {
            interval: interval.into(),
            timeout: timeout.into(),
            last_activity: now,
            pinged: Timestamp::NEVER,
            own: OwnPings { last: now, every: Span::MAX },
        }
    }

    /// Something came from the agent.
    pub const fn on_activity(&mut self, now: Timestamp) {
        self.last_activity = now;
        self.pinged = Timestamp::NEVER;
    }

    /// The agent asked whether we are there.
    pub fn on_ping(&mut self, now: Timestamp) {
        self.own.every = self.own.last.until(now).into();
        self.own.last = now;
        self.on_activity(now);
    }

    /// When to look at the silence next.
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        match self.pinged {
            Timestamp::NEVER => self.last_activity.after(self.silence_allowed()),
            asked => asked.after(self.timeout),
        }
    }

    /// What to do now.
    pub fn check(&mut self, now: Timestamp) -> KeepaliveAction {
        if now < self.next_deadline() {
            return KeepaliveAction::Wait;
        }
        if self.pinged != Timestamp::NEVER {
            return KeepaliveAction::Close;
        }
        self.pinged = now;
        KeepaliveAction::Ping
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
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn after(seconds: u64) -> Timestamp {
        START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_silent_agent_is_asked_and_then_given_up() {
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
        assert_eq!(keepalive.check(after(359)), KeepaliveAction::Wait);
        assert_eq!(keepalive.check(after(360)), KeepaliveAction::Ping);
        assert_eq!(keepalive.next_deadline(), after(420));
        assert_eq!(keepalive.check(after(419)), KeepaliveAction::Wait);
        assert_eq!(keepalive.check(after(420)), KeepaliveAction::Close);
    }

    #[test]
    fn any_sign_of_life_counts() {
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
        assert_eq!(keepalive.check(after(360)), KeepaliveAction::Ping);
        keepalive.on_activity(after(400));
        assert_eq!(keepalive.next_deadline(), after(760));
        assert_eq!(keepalive.check(after(760)), KeepaliveAction::Ping);
    }

    #[test]
    fn an_agent_that_asks_by_itself_is_never_asked() {
        for every in [45, 60, 300] {
            let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
            for turn in 1..100 {
                assert_eq!(keepalive.check(after(turn * every)), KeepaliveAction::Wait, "every {every} s");
                keepalive.on_ping(after(turn * every));
            }
            let allowed = 360.max(3 * every);
            assert_eq!(
                keepalive.check(after(99 * every + allowed)),
                KeepaliveAction::Ping,
                "it has fallen silent"
            );
        }
    }

    #[test]
    fn an_agent_that_asks_every_half_hour_is_asked_between() {
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
        keepalive.on_ping(after(1800));
        assert_eq!(keepalive.next_deadline(), after(2160));
    }
}
