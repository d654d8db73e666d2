//! Opens snapshots of the store for lists, and reads them on blocking threads.

use super::Admin;
use super::error::AdminError;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use webpush_core::id::InboxId;
use webpush_service::service::Service;
use webpush_store::{Detail, Snapshot, StoreError};

/// Runs a function that reads a snapshot on a blocking thread.
///
/// Waits while [`SNAPSHOTS`](super::SNAPSHOTS) others run.
pub(super) async fn read_blocking<T: Send + 'static>(
    admin: &Arc<Admin>,
    read: impl FnOnce(&Admin) -> Result<T, AdminError> + Send + 'static,
) -> Result<T, AdminError> {
    let permit = Arc::clone(&admin.snapshots).acquire_owned().await.map_err(|_| AdminError::Internal)?;
    let admin = Arc::clone(admin);
    let result = spawn_blocking(move || {
        let result = read(&admin);
        drop(permit);
        result
    });
    result.await.map_err(|_| AdminError::Internal)?
}

/// Opens a snapshot. Blocks, so call it only from [`read_blocking`] or another blocking thread.
pub(super) fn snapshot(service: &Service, detail: &Detail) -> Result<Snapshot, StoreError> {
    Handle::current().block_on(service.snapshot(detail))
}

/// Returns the inbox ID before this one, for [`Detail::after`], which is exclusive.
pub(super) fn predecessor(inbox: InboxId) -> Option<InboxId> {
    let before = u128::from_be_bytes(*inbox.as_bytes()).checked_sub(1)?;
    Some(InboxId::from_bytes(before.to_be_bytes()))
}
