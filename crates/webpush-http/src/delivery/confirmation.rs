//! Confirms that the peer has read entries that nobody acknowledges: receipts, and messages of the legacy API.
//!
//! A write that succeeded only shows that the kernel accepted the bytes. A peer answers PINGs in the order of frames, so
//! it has read everything written before a PING that it has answered. ClosedBy then it has also had its chance to reset the
//! pushes that it does not want.

use crate::h2::ping::PingState;
use crate::h2::resets::{Resets, Watch};
use crate::h2::write_backlog::WriteBacklog;
use webpush_core::protocol::push_promise::Acknowledgement;
use webpush_core::session::Input;

/// The condition on which an entry counts as read.
pub(super) struct Confirmation<'a> {
    pings: u8,
    watch: Watch<'a>,
}

impl<'a> Confirmation<'a> {
    /// Creates the confirmation of an entry promised on `stream`; `None` if its agent acknowledges it.
    pub(super) fn new(acknowledgement: Acknowledgement, resets: &'a Resets, stream: u32) -> Option<Self> {
        match acknowledgement {
            Acknowledgement::ByAgent => None,
            Acknowledgement::ByPings(pings) => Some(Self { pings, watch: resets.watch(stream) }),
        }
    }
}

/// An entry that was handed over, or withheld.
pub(super) struct HandedOver<'a> {
    /// The input for the session if there is nothing to confirm.
    pub(super) input: Input,
    pub(super) confirmation: Option<Confirmation<'a>>,
}

impl HandedOver<'_> {
    /// Returns the input for the session, once the peer has answered.
    pub(super) fn outcome(self) -> Input {
        match self.confirmation {
            Some(confirmation) => Input::Sent { confirmed: !confirmation.watch.was_reset() },
            None => self.input,
        }
    }
}

/// Waits until the peer has answered the PINGs that these entries need, one after the other.
pub(super) async fn confirm(entries: &[HandedOver<'_>], backlog: &WriteBacklog, ping: &PingState) {
    backlog.written().await;
    let pings = entries.iter().flat_map(|entry| &entry.confirmation).map(|confirmation| confirmation.pings);
    for _ in 0..pings.max().unwrap_or_default() {
        ping.confirm().await;
    }
}
