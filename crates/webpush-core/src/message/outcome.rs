//! Outcomes of messages.

/// How a message ended. Each message has exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent acknowledged it (RFC 8030 §6.2).
    Delivered,
    /// Its TTL elapsed (RFC 8030 §5.2).
    Expired,
    /// A newer message with the same topic replaced it (RFC 8030 §5.4).
    Replaced,
    /// Its sender canceled it, or its subscription was removed (RFC 8030 §7.3).
    Canceled,
    /// The service discarded it to enforce a quota (RFC 8030 §7.2).
    Dropped,
}
