//! Every bound of the service in one place. What an operator may change is a field of [`Limits`]; the rest are constants.

use crate::rate::RateLimit;
use crate::subscription::SenderKey;
use std::time::Duration;

/// The smallest body limit that RFC 8030 §7.2 allows: a 4,096-byte message is never too large.
pub const SMALLEST_BODY_LIMIT_BYTES: usize = 4096;

/// The most a forwarded header of a message may hold (`Content-Type`, `Content-Encoding`, `Encryption`, `Crypto-Key`).
pub const FORWARDED_HEADER_BYTES: usize = 512;

/// The most characters a `Topic` may have (RFC 8030 §5.4).
pub const TOPIC_CHARACTERS: usize = 32;

/// The value that a TTL too large to count stands for (RFC 8030 §5.2, as RFC 9111 §1.2.2).
pub const TTL_OVERFLOW_SECONDS: u64 = 1 << 31;

/// The largest message of an agent on a WebSocket, in one frame or several.
pub const WEBSOCKET_MESSAGE_BYTES: usize = 64 * 1024;

/// Broadcasts that one agent may follow, and the most characters that a name of one may have, or a version.
pub const FOLLOWED_BROADCASTS: usize = 64;
/// See [`FOLLOWED_BROADCASTS`].
pub const BROADCAST_NAME_CHARACTERS: usize = 128;

/// The most characters that the version of a broadcast may have.
pub const BROADCAST_VERSION_CHARACTERS: usize = 256;

/// Broadcasts that a configuration may name, and as many again that may be set while the service runs.
pub const BROADCASTS: usize = 256;

/// How long a message of a draft-thomson sender is kept when its request does not say.
pub const THOMSON_DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);

/// Links and preferences looked at in one request; a request with more is refused.
pub const LIST_HEADER_MEMBERS: usize = 64;

/// Entries that a session asks its store for at once.
pub const FETCH_ENTRIES: usize = 32;

/// Rows that a store may look at to answer one fetch; filtered-out rows count.
pub const FETCH_SCAN_ROWS: usize = 1024;

/// Messages that were never stored (TTL 0) and wait in a session for the one before to be written.
pub const SESSION_LIVE_MESSAGES: usize = 64;

/// Messages that may be under way to an agent that acknowledges on its own connection, delivered and not acknowledged.
pub const SESSION_WINDOW: usize = 2 * FETCH_ENTRIES;

/// How long a message with TTL 0 may be on its way to a session that is slow to take it; «now» has some length.
pub const LIVE_PATIENCE: Duration = Duration::from_secs(2);

/// How long after that its acknowledgement still counts, if a receipt is owed.
pub const LIVE_ACKNOWLEDGEMENT: Duration = Duration::from_secs(3);

/// Entries handed to a sleeping session with its wake; a session with more behind it fetches instead.
pub const WAKE_ENTRIES: usize = 32;

/// Largest number of seconds accepted in `Prefer: wait=N` (RFC 7240 §4.3); more counts as this many.
pub const WAIT_SECONDS: u64 = 86_400;

/// The furthest that the end of a VAPID token may be ahead (RFC 8292 §2).
pub const VAPID_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The largest VAPID token looked at; those of every known library have less than 500 bytes.
pub const VAPID_TOKEN_BYTES: usize = 4096;

/// The longest text looked at as a VAPID key, which has 87 or 88 characters (RFC 8292 §3.2).
pub const VAPID_KEY_CHARACTERS: usize = 128;

/// Verified tokens remembered in one generation; there are two, so at most twice as many, in 15 MB.
pub const VAPID_CACHE_ENTRIES: usize = 32_768;

/// The most characters of a stranger's text that are shown back.
pub const SHOWN_CHARACTERS: usize = 120;

/// The most bytes of headers in one request, in both versions; more is 431 (RFC 6585 §5). Also what bounds an HTTP/2
/// CONTINUATION flood (CVE-2024-27316): `h2` counts the frames that this many bytes can need.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Requests of one HTTP/2 connection that are open at once, as the service announces it (RFC 9113 §5.1.2).
pub const CONCURRENT_STREAMS: u32 = 256;

/// Requests of one HTTP/2 connection that are under way at once. More than [`CONCURRENT_STREAMS`], since one that its
/// client has reset is no stream any more but may still be at work (CVE-2023-44487, rapid reset).
pub const CONNECTION_REQUESTS: usize = 512;

/// How often a client may reset requests before their answer; one that does so more often is sent away
/// (CVE-2023-44487). The numbers are those of nghttp2.
pub const RESETS: RateLimit = RateLimit::at(33, 1, 1000);

/// Streams that a client reset and `h2` has not handed over yet; more ends the connection (CVE-2023-44487).
pub const PENDING_RESET_STREAMS: usize = 20;

/// Streams that `h2` itself reset for a client's mistakes; more ends the connection (CVE-2025-8671, «MadeYouReset»).
pub const MISTAKEN_STREAMS: usize = 256;

/// Streams that the service reset and `h2` remembers, so that late frames for them are no errors.
pub const REMEMBERED_RESET_STREAMS: usize = 64;

/// The last stream id that the service promises on a connection, well before the ids run out at 2³¹
/// (RFC 9113 §5.1.1): room for what is under way.
pub const LAST_PROMISED_STREAM: u32 = (1 << 31) - (1 << 16);

/// Buckets that a rate limit keeps for one kind of key; each costs about 40 bytes.
pub const RATE_BUCKETS: usize = 1 << 16;

/// How long a client may take until its HTTP version is known; TLS has as long again before that.
pub const OPENING: Duration = Duration::from_secs(10);

/// The shortest subscribe token.
pub const TOKEN_CHARACTERS: usize = 16;

/// The longest subscribe token.
pub const MOST_TOKEN_CHARACTERS: usize = 256;

/// The largest notification of a Matrix homeserver; an event has at most 65,536 bytes (Matrix, «Size limits»).
pub const GATEWAY_BODY_BYTES: usize = 64 * 1024;

/// Devices of one notification. Homeservers send one for each pusher; more than a person has is a mistake or worse, since
/// each makes a request of the service's own.
pub const GATEWAY_DEVICES: usize = 32;

/// Notifications that wait for other push services at once, with what is to be sent to their devices: 32 times 4,096 bytes
/// and a push URL at most. More are refused.
pub const GATEWAY_NOTIFICATIONS: usize = 128;

/// Those of one IPv4 address or IPv6 /64.
pub const GATEWAY_PEER_NOTIFICATIONS: usize = GATEWAY_NOTIFICATIONS / 4;

/// Requests to other push services that are under way at once; more wait. Each takes a descriptor of the reserved ones.
pub const GATEWAY_REQUESTS: usize = 64;

/// Those for one IPv4 address or IPv6 /64.
pub const GATEWAY_PEER_REQUESTS: usize = GATEWAY_REQUESTS / 4;

/// How long its notification waits for one of them in all: turn, name, connection, TLS, answer. A name that is looked up
/// keeps its place until the system gives up, which may take longer.
pub const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);

/// How long it tries one address of a host before the next.
pub const GATEWAY_CONNECT: Duration = Duration::from_secs(3);

/// The most that is read of such an answer: only its head is of interest.
pub const GATEWAY_ANSWER_BYTES: usize = 16 * 1024;

/// The longest push URL of another service: UnifiedPush has 1,000 bytes.
pub const PUSHKEY_BYTES: usize = 1024;

/// The longest identifier of an event or room (Matrix appendices, «Common Identifier Format»).
pub const MATRIX_ID_BYTES: usize = 255;

/// Descriptors that are kept for files and [`GATEWAY_REQUESTS`] when the number of connections follows from their limit.
pub const RESERVED_DESCRIPTORS: usize = 128 + GATEWAY_REQUESTS;

/// How long inboxes are kept that nobody monitors.
///
/// Stores keep time by the hour: an inbox goes up to an hour late, and never early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleLimits {
    /// Since its creation, for an agent's inbox that nobody ever monitored and that holds no message.
    pub never_monitored: Duration,
    /// Since it was monitored last, or else created, for any inbox, whatever it holds.
    pub unused: Duration,
}

impl Default for IdleLimits {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { never_monitored: day, unused: 60 * day }
    }
}

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest that a message is kept, whatever its TTL asks for.
    pub max_ttl: Duration,
    /// How long it is kept if it was sent by PUT, without a TTL; see [`THOMSON_DEFAULT_TTL`].
    pub thomson_default_ttl: Duration,
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
    /// Whether peers on this machine are limited too.
    pub loopback: bool,
}

/// How long a peer may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the end of a request to the whole head of the next over HTTP/1.1: also the longest idle time.
    pub head: Duration,
    /// From the head of a request to the end of its body.
    pub body: Duration,
    /// Between two signs that what is sent is taken: for the socket, and for each response under flow control.
    pub stall: Duration,
    /// How often an HTTP/2 peer is asked whether it is there; one that has not answered by the next time is gone. Without
    /// this a dead peer would swallow messages with TTL 0 until TCP gives up.
    pub keepalive: Duration,
    /// From the opening of a WebSocket to the agent's hello.
    pub hello: Duration,
    /// After so much silence an agent on a WebSocket is asked whether it is there. A little longer than the 5 minutes after
    /// which KUnifiedPush asks by itself, so that it is left alone.
    pub websocket_ping: Duration,
    /// How long it may take for any sign of life then.
    pub websocket_pong: Duration,
    /// When the service stops: how long it goes on as before, but not ready, so that load balancers see it.
    pub drain_delay: Duration,
    /// After that: over how long sessions are ended, so that agents don't all come back at once.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_ttl: Duration::from_secs(30 * 24 * 3600),
            thomson_default_ttl: THOMSON_DEFAULT_TTL,
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
    /// An agent has several subscriptions, and one sender may serve many people: neither may be narrower than what it
    /// holds together.
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
        Self {
            head: Duration::from_secs(75),
            body: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            keepalive: Duration::from_secs(60),
            hello: Duration::from_secs(30),
            websocket_ping: Duration::from_secs(360),
            websocket_pong: Duration::from_secs(60),
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(5),
        }
    }
}

const _: () = assert!(WAKE_ENTRIES <= FETCH_ENTRIES, "a wake must fit into one turn of a session");
const _: () = assert!(FETCH_ENTRIES <= FETCH_SCAN_ROWS, "a fetch must be able to fill itself");
const _: () = assert!(VAPID_KEY_CHARACTERS >= 88, "a key with padding must fit");
const _: () = assert!(CONNECTION_REQUESTS > CONCURRENT_STREAMS as usize, "every open stream must find room");
const _: () = assert!(2 * MATRIX_ID_BYTES * 6 < SMALLEST_BODY_LIMIT_BYTES, "escaped ids must fit");
const _: () = assert!(LAST_PROMISED_STREAM < 1 << 31, "stream ids have 31 bits");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::RateLimit;

    #[test]
    fn the_default_rates_are_rates() {
        let Rates { subscription, agent, sender, registration, receipts, elsewhere, .. } = Rates::default();
        for limit in [subscription, agent, sender, registration, receipts, elsewhere, RESETS] {
            assert_ne!(limit, RateLimit::Off);
        }
    }
}
