//! Limits and timeouts, with their defaults.

use crate::memory_budget::MemoryLimit;
use std::time::Duration;
use webpush_core::protocol::autopush::AutopushTimeouts;
use webpush_core::protocol::chromium::McsTimeouts;
use webpush_core::publish::SMALLEST_BODY_LIMIT_BYTES;
use webpush_core::rate::RateLimit;
use webpush_core::sender::VAPID_LEEWAY;
use webpush_core::subscription::SenderKey;
use webpush_store::IdleLimits;

/// Default TTL for the legacy (2015) API, where a message may have none.
pub const LEGACY_DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);

/// TTL of a message that is sent with `PUT` without one, unless there is a default for all messages.
pub const SIMPLE_PUSH_TTL: Duration = Duration::from_secs(24 * 3600);

/// Last stream ID that the server promises on a connection.
///
/// Stream IDs end at 2³¹ (RFC 9113 §5.1.1). This leaves some for requests under way.
pub const LAST_PROMISED_STREAM: u32 = (1 << 31) - (1 << 16);

/// Limits that an administrator can set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum TTL granted.
    pub max_ttl: Duration,
    /// TTL of a message whose sender gives none; `None` refuses it (RFC 8030 §5.2).
    pub default_ttl: Option<Duration>,
    /// True if push URLs also take `PUT`; see [`SIMPLE_PUSH_TTL`].
    pub simple_push: bool,
    /// True to move the parameters of `aesgcm` into the body.
    pub aesgcm_in_body: bool,
    /// TTL of a message sent through the legacy (2015) API without one; see [`LEGACY_DEFAULT_TTL`].
    pub legacy_default_ttl: Duration,
    /// Tolerance for the times of VAPID tokens; see [`VAPID_LEEWAY`].
    pub vapid_leeway: Duration,
    /// Maximum size of a message body; at least [`SMALLEST_BODY_LIMIT_BYTES`].
    pub max_body_bytes: usize,
    /// How long a delivered message may stay unacknowledged on an open stream before it is sent again.
    pub redelivery_timeout: Duration,
    /// When idle inboxes are removed.
    pub idle: IdleLimits,
    /// Limit of the memory of the process.
    pub memory: MemoryLimit,
    /// Rate limits.
    pub rates: Rates,
    /// Timeouts for clients.
    pub timeouts: Timeouts,
    /// Last stream ID promised on a connection; see [`LAST_PROMISED_STREAM`].
    pub last_promised_stream: u32,
}

/// Prefix length that counts as one IPv6 client: the smallest assignment to a site (RFC 6177 §2).
pub const IPV6_PREFIX: u8 = 64;

/// Rate limits (RFC 8030 §8.4).
#[derive(Clone, Debug)]
pub struct Rates {
    /// Messages to one subscription.
    pub subscription: RateLimit,
    /// Messages to one agent, over all its subscriptions.
    pub agent: RateLimit,
    /// Messages of one application server, identified by its VAPID key.
    pub sender: RateLimit,
    /// Application servers that the sender limit does not apply to.
    pub exempt_senders: Vec<SenderKey>,
    /// New subscriptions from one client network.
    pub registration: RateLimit,
    /// New receipt subscriptions from one client network.
    pub receipts: RateLimit,
    /// Messages that the Matrix gateway forwards to other push services for one client network.
    pub elsewhere: RateLimit,
    /// Steps of reads that look through an inbox, for one client network.
    ///
    /// A step looks at 128 messages or 64 KiB.
    pub scans: RateLimit,
    /// Prefix length of an IPv6 client network.
    pub ipv6_prefix: u8,
    /// True if the limits apply to clients on this machine as well.
    pub loopback: bool,
}

/// Timeouts for clients.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// HTTP/1.1: from the end of a request to the complete head of the next, idle time included.
    pub head: Duration,
    /// From the head of a request to the end of its body.
    pub body: Duration,
    /// Maximum time without progress while writing to a socket or a response.
    pub stall: Duration,
    /// HTTP/2: interval of PINGs. A peer that has not answered one within the interval is closed.
    ///
    /// Otherwise messages with TTL 0 would be lost to a dead peer until TCP times out.
    pub keepalive: Duration,
    /// From the opening of a WebSocket to the agent's hello.
    pub hello: Duration,
    /// Idle time after which a WebSocket agent is pinged.
    pub websocket_ping: Duration,
    /// How long a pinged WebSocket agent may take to send anything.
    pub websocket_pong: Duration,
    /// Shutdown: how long the server continues as before, but not ready, for load balancers to notice.
    pub drain_delay: Duration,
    /// Shutdown: window over which sessions are closed, so that agents do not all reconnect at once.
    pub drain: Duration,
}

impl Limits {
    /// Returns the timeouts of a WebSocket agent.
    #[must_use]
    pub const fn autopush(&self) -> AutopushTimeouts {
        AutopushTimeouts {
            hello: self.timeouts.hello,
            ping: self.timeouts.websocket_ping,
            pong: self.timeouts.websocket_pong,
            acknowledgement: self.redelivery_timeout,
        }
    }

    /// Returns the timeouts of an agent on an MCS connection: those of a WebSocket agent.
    #[must_use]
    pub const fn mcs(&self) -> McsTimeouts {
        McsTimeouts {
            login: self.timeouts.hello,
            heartbeat: self.timeouts.websocket_ping,
            pong: self.timeouts.websocket_pong,
            acknowledgement: self.redelivery_timeout,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_ttl: Duration::from_secs(30 * 24 * 3600),
            default_ttl: None,
            simple_push: false,
            aesgcm_in_body: false,
            legacy_default_ttl: LEGACY_DEFAULT_TTL,
            vapid_leeway: VAPID_LEEWAY,
            max_body_bytes: SMALLEST_BODY_LIMIT_BYTES,
            redelivery_timeout: Duration::from_secs(60),
            idle: IdleLimits::default(),
            memory: MemoryLimit::default(),
            rates: Rates::default(),
            timeouts: Timeouts::default(),
            last_promised_stream: LAST_PROMISED_STREAM,
        }
    }
}

impl Default for Rates {
    /// Returns rates that allow an agent or sender more than one subscription.
    fn default() -> Self {
        Self {
            subscription: RateLimit::at(1_000, 1, 10_000),
            agent: RateLimit::at(5_000, 1, 50_000),
            sender: RateLimit::at(10_000, 1, 100_000),
            exempt_senders: Vec::new(),
            registration: RateLimit::at(10, 60, 100),
            receipts: RateLimit::at(60, 60, 1000),
            elsewhere: RateLimit::at(50, 1, 1000),
            scans: RateLimit::at(1_000, 1, 10_000),
            ipv6_prefix: IPV6_PREFIX,
            loopback: false,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let autopush = AutopushTimeouts::default();
        Self {
            head: Duration::from_secs(75),
            body: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            keepalive: Duration::from_secs(60),
            hello: autopush.hello,
            websocket_ping: autopush.ping,
            websocket_pong: autopush.pong,
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(5),
        }
    }
}

const _: () = assert!(LAST_PROMISED_STREAM < 1 << 31, "stream IDs have 31 bits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_rate_is_limited() {
        let Rates { subscription, agent, sender, registration, receipts, elsewhere, scans, .. } =
            Rates::default();
        for limit in [subscription, agent, sender, registration, receipts, elsewhere, scans] {
            assert_ne!(limit, RateLimit::Off);
        }
    }
}
