//! What holds a session back, for whoever asks why a message does not go.

use webpush_core::urgency::Urgency;

/// What holds back the session of an agent on a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockReason {
    /// Nothing, as far as that is known.
    Nothing,
    /// Its agent has as many messages as may be under way.
    Window,
    /// Its connection takes no more bytes.
    Socket,
}

/// Who would take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Nobody listens to its inbox.
    NoSession,
    /// Whoever listens takes nothing below this.
    BelowMinUrgency(Urgency),
    /// Somebody does; what holds that session back.
    Session(BlockReason),
}

/// Both in one number.
pub(super) const fn pack(held: BlockReason, min_urgency: Urgency) -> u8 {
    held as u8 | (min_urgency as u8) << 2
}

/// What [`pack`] made of it.
pub(super) fn unpack(said: u8) -> (BlockReason, Urgency) {
    let held = match said & 3 {
        1 => BlockReason::Window,
        2 => BlockReason::Socket,
        _ => BlockReason::Nothing,
    };
    (held, Urgency::ALL[usize::from(said >> 2 & 3)])
}
