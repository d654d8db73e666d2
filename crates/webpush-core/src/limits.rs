//! Every bound of the service in one place. What an operator may change is a field of [`Limits`]; the rest are constants.

use std::time::Duration;

/// The smallest body limit that RFC 8030 §7.2 allows: a 4,096-byte message is never too large.
pub const SMALLEST_BODY_LIMIT_BYTES: usize = 4096;

/// The most a forwarded header of a message may hold (`Content-Type`, `Content-Encoding`, `Encryption`, `Crypto-Key`).
pub const FORWARDED_HEADER_BYTES: usize = 512;

/// The most characters a `Topic` may have (RFC 8030 §5.4).
pub const TOPIC_CHARACTERS: usize = 32;

/// The value that a TTL too large to count stands for (RFC 8030 §5.2, as RFC 9111 §1.2.2).
pub const TTL_OVERFLOW_SECONDS: u64 = 1 << 31;

/// Links and preferences looked at in one request; a request with more is refused.
pub const LIST_HEADER_MEMBERS: usize = 64;

/// Entries that a session asks its store for at once.
pub const FETCH_ENTRIES: usize = 32;

/// Rows that a store may look at to answer one fetch; filtered-out rows count.
pub const FETCH_SCAN_ROWS: usize = 1024;

/// Messages that were never stored (TTL 0) and wait in a session for the one before to be written.
pub const SESSION_LIVE_MESSAGES: usize = 64;

/// How long a message with TTL 0 may be on its way to a session that is slow to take it; «now» has some length.
pub const LIVE_PATIENCE: Duration = Duration::from_secs(5);

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

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest that a message is kept, whatever its TTL asks for.
    pub max_ttl: Duration,
    /// The largest message body; at least [`SMALLEST_BODY_LIMIT_BYTES`].
    pub max_body_bytes: usize,
    /// How long a delivered message may stay unacknowledged on a held stream before it is sent again.
    pub redelivery_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_ttl: Duration::from_secs(30 * 24 * 3600),
            max_body_bytes: SMALLEST_BODY_LIMIT_BYTES,
            redelivery_timeout: Duration::from_secs(60),
        }
    }
}

const _: () = assert!(WAKE_ENTRIES <= FETCH_ENTRIES, "a wake must fit into one turn of a session");
const _: () = assert!(FETCH_ENTRIES <= FETCH_SCAN_ROWS, "a fetch must be able to fill itself");
const _: () = assert!(VAPID_KEY_CHARACTERS >= 88, "a key with padding must fit");
