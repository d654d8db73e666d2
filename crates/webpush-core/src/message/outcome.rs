//! How a message ends. It has exactly one exit, the store's `settle`, and leaves through it with one of these.

/// The end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent acknowledged it (RFC 8030 §6.2).
    Delivered,
    /// Its TTL ran out (RFC 8030 §5.2).
    Expired,
    /// A newer message of the same topic took its place (RFC 8030 §5.4).
    Replaced,
    /// Its sender took it back, or its subscription was removed (RFC 8030 §7.3).
    Cancelled,
    /// The service gave it up early, for a quota (RFC 8030 §7.2).
    Dropped,
}
