//! Notices between the handles to one store.

use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::OutboundEntry;

/// Something that the sessions of other handles have to know.
///
/// Sent with [`Store::notify`](crate::Store::notify). Notices are not durable. They may be lost, in which case the other handles hear [`missed`].
///
/// [`missed`]: crate::CommitObserver::missed
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Entries were stored in an inbox. Sent by a store whose events do not reach the other handles.
    Stored(InboxId),
    /// An inbox was removed, or one of its subscriptions.
    Removed(InboxId, Option<SubscriptionId>),
    /// An agent opened a session that supersedes its older ones of the same kind.
    ///
    /// The kind is a number that the store does not interpret.
    Superseded(InboxId, u8),
    /// A message with TTL 0 was accepted, for sessions that are open now.
    Offered(OutboundEntry),
}
