//! The response to revoking an agent or a subscription.

use serde::Serialize;
use webpush_store::Removed;

/// Number of entries that were removed.
#[derive(Serialize)]
pub(super) struct RemovalCounts {
    messages: usize,
    receipts: usize,
}

impl From<&Removed> for RemovalCounts {
    fn from(removed: &Removed) -> Self {
        Self { messages: removed.messages, receipts: removed.receipts.len() }
    }
}
