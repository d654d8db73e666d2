//! Keepalive of WebSocket connections.
//!
//! Agents that send pings themselves are not pinged, since each ping wakes a phone.

use crate::time::{CompactDuration, Timestamp};
use std::time::Duration;

/// The keepalive of one connection.
///
/// # Calling protocol
///
/// Call [`on_ping`](Self::on_ping) for every ping of the agent, and [`on_activity`](Self::on_activity) for everything else
/// that it sends. At [`next_deadline`](Self::next_deadline) call [`check`](Self::check), and ping or close as it says.
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
    interval: CompactDuration,
    timeout: CompactDuration,
    last_activity: Timestamp,
    /// Time of the unanswered ping; [`Timestamp::NEVER`] if there is none.
    pinged: Timestamp,
    peer_pings: PeerPings,
}

/// The pings that the agent sends.
#[derive(Debug)]
struct PeerPings {
    last: Timestamp,
    /// The time between the last two.
    interval: CompactDuration,
}

/// The next step of a keepalive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepaliveAction {
    /// Wait for the next deadline.
    Wait,
    /// Send a ping.
    Ping,
    /// Close the connection: the ping was not answered.
    Close,
}

impl Keepalive {
    /// Creates the keepalive of a new connection.
    ///
    /// An agent is pinged after `interval` without activity, and has `timeout` to respond.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration, now: Timestamp) -> Self {
        Self {
            interval: interval.into(),
            timeout: timeout.into(),
            last_activity: now,
            pinged: Timestamp::NEVER,
            peer_pings: PeerPings { last: now, interval: CompactDuration::MAX },
        }
    }

    /// Records activity of the agent.
    pub const fn on_activity(&mut self, now: Timestamp) {
        self.last_activity = now;
        self.pinged = Timestamp::NEVER;
    }

    /// Records a ping of the agent.
    pub fn on_ping(&mut self, now: Timestamp) {
        self.peer_pings.interval = self.peer_pings.last.until(now).into();
        self.peer_pings.last = now;
        self.on_activity(now);
    }

    /// Returns the time of the next [`check`](Self::check).
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        match self.pinged {
            Timestamp::NEVER => self.last_activity.after(self.effective_interval()),
            pinged => pinged.after(self.timeout),
        }
    }

    /// Returns the step that is due.
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

    /// Returns the time without activity after which the agent is pinged.
    ///
    /// An agent that pings at least every second interval is pinged only after it missed two of its own pings. Rarer pings
    /// do not keep the connection open in routers on the path.
    fn effective_interval(&self) -> Duration {
        let (interval, peer) = (Duration::from(self.interval), Duration::from(self.peer_pings.interval));
        if peer <= 2 * interval { interval.max(3 * peer) } else { interval }
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
    fn a_silent_agent_is_pinged_and_then_closed() {
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
        assert_eq!(keepalive.check(after(359)), KeepaliveAction::Wait);
        assert_eq!(keepalive.check(after(360)), KeepaliveAction::Ping);
        assert_eq!(keepalive.next_deadline(), after(420));
        assert_eq!(keepalive.check(after(419)), KeepaliveAction::Wait);
        assert_eq!(keepalive.check(after(420)), KeepaliveAction::Close);
    }

    #[test]
    fn any_activity_resets_the_interval() {
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
        assert_eq!(keepalive.check(after(360)), KeepaliveAction::Ping);
        keepalive.on_activity(after(400));
        assert_eq!(keepalive.next_deadline(), after(760));
        assert_eq!(keepalive.check(after(760)), KeepaliveAction::Ping);
    }

    #[test]
    fn an_agent_that_pings_is_not_pinged() {
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
    fn an_agent_that_pings_rarely_is_pinged() {
        let mut keepalive = Keepalive::new(INTERVAL, TIMEOUT, START);
        keepalive.on_ping(after(1800));
        assert_eq!(keepalive.next_deadline(), after(2160));
    }
}
