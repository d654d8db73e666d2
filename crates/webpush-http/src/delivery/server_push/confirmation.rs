//! Confirms that the peer has read entries that nobody acknowledges.
//!
//! These are receipts, and messages of the legacy API.
//!
//! A successful write only shows that the kernel has accepted the bytes. A peer processes frames in order, so one that has
//! answered a PING has read everything written before it, and has had the chance to reset the pushes that it refuses.

use crate::h2::ping::PingState;
use crate::h2::resets::{Resets, Watch};
use crate::h2::write_backlog::WriteBacklog;
use webpush_core::protocol::push_promise::Acknowledgement;
use webpush_core::session::Input;

/// The outcome of the delivery of an entry.
pub(super) enum DeliveryOutcome<'a> {
    Skipped,
    Sent,
    /// Sent, and read once the peer has answered this number of PINGs without a reset of the push.
    Unconfirmed(u8, Watch<'a>),
}

impl<'a> DeliveryOutcome<'a> {
    /// Creates the outcome of an entry that is promised on `stream`, once it is sent.
    pub(super) fn for_promise(acknowledgement: Acknowledgement, resets: &'a Resets, stream: u32) -> Self {
        match acknowledgement {
            Acknowledgement::ByAgent => Self::Sent,
            Acknowledgement::ByPings(pings) => Self::Unconfirmed(pings, resets.watch(stream)),
        }
    }

    /// Returns the input for the session, after [`confirm`] for an unconfirmed entry.
    pub(super) fn into_input(self) -> Input {
        match self {
            Self::Skipped => Input::Skipped,
            Self::Sent => Input::Sent { confirmed: false },
            Self::Unconfirmed(_, watch) => Input::Sent { confirmed: !watch.was_reset() },
        }
    }
}

/// Waits until the peer has answered the PINGs that these entries need, one after the other.
pub(super) async fn confirm(outcomes: &[DeliveryOutcome<'_>], backlog: &WriteBacklog, ping: &PingState) {
    backlog.written().await;
    let pings = outcomes.iter().map(|outcome| match outcome {
        DeliveryOutcome::Skipped | DeliveryOutcome::Sent => 0,
        DeliveryOutcome::Unconfirmed(pings, _) => *pings,
    });
    for _ in 0..pings.max().unwrap_or_default() {
        ping.confirm().await;
    }
}
