//! Sealing keys: lists their IDs, and rotates. The keys themselves are never shown.

use super::Admin;
use super::error::AdminError;
use super::reply::{Reply, json};
use std::sync::Arc;

/// Serves `GET /admin/keys`.
///
/// `pending` is a key that will seal new URLs once all nodes of a cluster have it.
pub(super) async fn list(admin: &Admin) -> Result<Reply, AdminError> {
    let pending = admin.keys.pending().await.map_err(conflict)?;
    let keyring = &admin.service.keyring;
    let ids: Vec<u8> = keyring.ids().map(|id| id.0).collect();
    json(&serde_json::json!({
        "ids": ids,
        "current": keyring.current().0,
        "pending": pending.map(|id| id.0),
    }))
}

/// Serves `POST /admin/keys`: creates a key that seals new URLs. Existing URLs stay valid.
pub(super) async fn rotate(admin: &Arc<Admin>) -> Result<Reply, AdminError> {
    let guard = admin.key_lock.lock().await;
    let id = admin.keys.rotate(&admin.service).await.map_err(conflict)?;
    drop(guard);
    tracing::info!(id = id.0, "rotated the sealing key");
    list(admin).await
}

/// The reason is for the administrator.
fn conflict(error: anyhow::Error) -> AdminError {
    AdminError::Conflict(format!("{error:#}"))
}
