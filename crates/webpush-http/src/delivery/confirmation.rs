//! Whether entries that nobody acknowledges were read: receipts, and messages of draft-thomson.
//!
//! That frames were written says only that the kernel took them. A peer answers PINGs in the order of frames, so once
//! everything queued is written and a PING sent after that is answered, it has read them. By then it has also had its
//! chance to reset what it does not want.

use crate::h2::ping::PingState;
use crate::h2::resets::{Resets, Watch};
use crate::h2::write_backlog::WriteBacklog;
use webpush_core::protocol::push_promise::Acknowledgement;
use webpush_core::session::Input;

/// What must happen until an entry counts as read.
pub(super) struct Confirmation<'a> {
    pings: u8,
    watch: Watch<'a>,
}

impl<'a> Confirmation<'a> {
    /// For an entry that is promised on this stream; `None` if its agent acknowledges it.
    pub(super) fn of(acknowledged: Acknowledgement, resets: &'a Resets, stream: u32) -> Option<Self> {
        match acknowledged {
            Acknowledgement::ByAgent => None,
            Acknowledgement::ByPings(pings) => Some(Self { pings, watch: resets.watch(stream) }),
        }
    }
}

/// An entry that is off our hands.
pub(super) struct Left<'a> {
    /// What to tell the session of it, if nothing is to be confirmed.
    pub(super) input: Input,
    /// It was handed over whole, and was read if this says so.
    pub(super) confirmation: Option<Confirmation<'a>>,
}

impl Left<'_> {
    /// What has become of it, once the peer has answered.
    pub(super) fn outcome(self) -> Input {
        match self.confirmation {
            Some(confirmation) => Input::Sent { confirmed: !confirmation.watch.was_reset() },
            None => self.input,
        }
    }
}

/// Waits until the peer has answered the PINGs that these entries need, one after the other.
pub(super) async fn answered(entries: &[Left<'_>], pressure: &WriteBacklog, pulse: &PingState) {
    pressure.written().await;
    let pings = entries.iter().flat_map(|left| &left.confirmation).map(|confirmation| confirmation.pings);
    for _ in 0..pings.max().unwrap_or_default() {
        pulse.confirm().await;
    }
}
