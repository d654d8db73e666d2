//! Why a session does not send a message, for message traces.

use webpush_core::urgency::Urgency;

/// The reason that a session sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockReason {
    /// No known reason.
    Nothing,
    /// The agent has its maximum of unacknowledged messages.
    Window,
    /// The connection accepts no more data.
    Socket,
}

/// The ability of an agent to receive a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Its inbox has no open session.
    NoSession,
    /// The urgency is below this minimum, the lowest of all sessions.
    BelowMinUrgency(Urgency),
    /// A session accepts the urgency, but may be blocked.
    Session(BlockReason),
}

/// Packs a reason (2 bits) and a minimum urgency (2 bits) into one byte.
pub(super) const fn pack(reason: BlockReason, min_urgency: Urgency) -> u8 {
    reason as u8 | (min_urgency as u8) << 2
}

/// Reverses [`pack`].
pub(super) fn unpack(packed: u8) -> (BlockReason, Urgency) {
    let reason = match packed & 3 {
        1 => BlockReason::Window,
        2 => BlockReason::Socket,
        _ => BlockReason::Nothing,
    };
    (reason, Urgency::ALL[usize::from(packed >> 2 & 3)])
}
