//! Settings of the service that bound what it takes from others, with their defaults.

use std::time::Duration;
use webpush_core::protocol::autopush::AutopushTimeouts;
use webpush_core::publish::SMALLEST_BODY_LIMIT_BYTES;
use webpush_core::rate::RateLimit;
use webpush_core::subscription::SenderKey;
use webpush_store::IdleLimits;

/// The TTL of a message that was sent through the 2015 API without one.
pub const LEGACY_DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);

/// The last stream id that the service promises on a connection.
///
/// Ids run out at 2³¹ (RFC 9113 §5.1.1); this leaves room for requests under way.
pub const LAST_PROMISED_STREAM: u32 = (1 << 31) - (1 << 16);

/// Limits that an operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest that a message is kept, whatever its TTL asks for.
    pub max_ttl: Duration,
    /// How long it is kept if it was sent by PUT, without a TTL; see [`LEGACY_DEFAULT_TTL`].
    pub legacy_default_ttl: Duration,
    /// The largest message body; at least [`SMALLEST_BODY_LIMIT_BYTES`].
    pub max_body_bytes: usize,
    /// How long a delivered message may stay unacknowledged on a held stream before it is sent again.
    pub redelivery_timeout: Duration,
    /// How long inboxes are kept that nobody monitors.
    pub idle: IdleLimits,
    /// How often something may be asked of the service.
    pub rates: Rates,
    /// How long a peer may take.
    pub timeouts: Timeouts,
    /// The last stream id that is promised on one connection; see [`LAST_PROMISED_STREAM`].
    pub last_promised_stream: u32,
}

/// The least that an IPv6 host gets (RFC 6177 §2), in bits: all of it may be one party.
pub const IPV6_PREFIX: u8 = 64;

/// How often something may be asked of the service (RFC 8030 §8.4).
#[derive(Clone, Debug)]
pub struct Rates {
    /// Messages to one subscription.
    pub subscription: RateLimit,
    /// Messages to one agent, over all its subscriptions.
    pub agent: RateLimit,
    /// Messages of one application server, known by its VAPID key.
    pub sender: RateLimit,
    /// Application servers without a limit of their own: it is meant for strangers.
    pub exempt_senders: Vec<SenderKey>,
    /// New subscriptions from one IPv4 address or IPv6 /64.
    pub registration: RateLimit,
    /// New receipt subscriptions, which a sender gets by naming none, from one IPv4 address or IPv6 /64.
    pub receipts: RateLimit,
    /// Messages that the Matrix gateway sends to other push services for one IPv4 address or IPv6 /64.
    pub elsewhere: RateLimit,
    /// How many leading bits of an IPv6 address are counted as one.
    pub ipv6_prefix: u8,
    /// Applies the limits to clients on this machine, too.
    pub loopback: bool,
}

/// How long a peer may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the end of a request to the whole head of the next over HTTP/1.1: also the longest idle time.
    pub head: Duration,
    /// From the head of a request to the end of its body.
    pub body: Duration,
    /// Between two signs that the peer takes what is sent, on the socket and on each response.
    pub stall: Duration,
    /// Between two PINGs to an HTTP/2 peer; one that has not answered by the next is gone.
    ///
    /// Without this a dead peer would swallow messages with TTL 0 until TCP gives up.
    pub keepalive: Duration,
    /// From the opening of a WebSocket to the agent's hello.
    pub hello: Duration,
    /// The silence after which an agent on a WebSocket is pinged.
    pub websocket_ping: Duration,
    /// How long it may take for any sign of life then.
    pub websocket_pong: Duration,
    /// When the service stops: how long it goes on as before, but not ready, so that load balancers see it.
    pub drain_delay: Duration,
    /// After that: over how long sessions are ended, so that agents don't all come back at once.
    pub drain: Duration,
}

impl Limits {
    /// Returns the timeouts of an agent on a WebSocket.
    #[must_use]
    pub const fn autopush(&self) -> AutopushTimeouts {
        AutopushTimeouts {
            hello: self.timeouts.hello,
            ping: self.timeouts.websocket_ping,
            pong: self.timeouts.websocket_pong,
            acknowledgement: self.redelivery_timeout,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_ttl: Duration::from_secs(30 * 24 * 3600),
            legacy_default_ttl: LEGACY_DEFAULT_TTL,
            max_body_bytes: SMALLEST_BODY_LIMIT_BYTES,
            redelivery_timeout: Duration::from_secs(60),
            idle: IdleLimits::default(),
            rates: Rates::default(),
            timeouts: Timeouts::default(),
            last_promised_stream: LAST_PROMISED_STREAM,
        }
    }
}

impl Default for Rates {
    /// Returns limits under which agents and senders have more room than one subscription.
    fn default() -> Self {
        Self {
            subscription: RateLimit::at(1_000, 1, 10_000),
            agent: RateLimit::at(5_000, 1, 50_000),
            sender: RateLimit::at(10_000, 1, 100_000),
            exempt_senders: Vec::new(),
            registration: RateLimit::at(10, 60, 100),
            receipts: RateLimit::at(60, 60, 1000),
            elsewhere: RateLimit::at(50, 1, 1000),
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

const _: () = assert!(LAST_PROMISED_STREAM < 1 << 31, "stream ids have 31 bits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_rates_are_rates() {
        let Rates { subscription, agent, sender, registration, receipts, elsewhere, .. } = Rates::default();
        for limit in [subscription, agent, sender, registration, receipts, elsewhere] {
            assert_ne!(limit, RateLimit::Off);
        }
    }
}
