//! Sealing keys: lists their IDs, and rotates. The keys themselves are never shown.

use super::Admin;
use super::error::AdminError;
use super::reply::{Reply, json};
use crate::sealing_keys;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Serves `GET /admin/keys`.
pub(super) fn list(admin: &Admin) -> Result<Reply, AdminError> {
    let keyring = &admin.service.keyring;
    let ids: Vec<u8> = keyring.ids().map(|id| id.0).collect();
    json(&serde_json::json!({ "ids": ids, "current": keyring.current().0 }))
}

/// Serves `POST /admin/keys`: creates a key that seals new URLs. Existing URLs stay valid.
pub(super) async fn rotate(admin: &Arc<Admin>) -> Result<Reply, AdminError> {
    let _guard = admin.key_lock.lock().await;
    let shared = Arc::clone(admin);
    let rotated =
        spawn_blocking(move || sealing_keys::rotate(&shared.data_dir, &shared.service.keyring)).await;
    let id = rotated
        .map_err(|_| AdminError::Internal)?
        .map_err(|error| AdminError::Conflict(format!("{error:#}")))?;
    tracing::info!(id = id.0, "rotated the sealing key");
    list(admin)
}
