//! The response to revoking an agent or a subscription.

use serde::Serialize;
use webpush_store::RemovalResult;

/// Number of entries that were removed.
#[derive(Serialize)]
pub(super) struct RemovalCounts {
    messages: usize,
    receipts: usize,
}

impl From<&RemovalResult> for RemovalCounts {
    fn from(removed: &RemovalResult) -> Self {
        Self { messages: removed.messages, receipts: removed.receipts.len() }
    }
}
