//! The keys that URLs are sealed with: which there are, never what they are, and making a new one.

use super::Admin;
use super::error::AdminError;
use super::reply::{Reply, json};
use crate::keys_file;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// `GET /admin/keys`.
pub(super) fn list(admin: &Admin) -> Result<Reply, AdminError> {
    let keyring = &admin.service.keyring;
    let ids: Vec<u8> = keyring.ids().map(|id| id.0).collect();
    json(&serde_json::json!({ "ids": ids, "current": keyring.current().0 }))
}

/// `POST /admin/keys`: makes a key that seals what is new from now on. What is old stays valid.
pub(super) async fn rotate(admin: &Arc<Admin>) -> Result<Reply, AdminError> {
    let _changing = admin.changing.lock().await;
    let rotating = Arc::clone(admin);
    let rotated =
        spawn_blocking(move || keys_file::rotate(&rotating.data_dir, &rotating.service.keyring)).await;
    let id = rotated.map_err(|_| AdminError::Internal)?;
    let id = id.map_err(|error| AdminError::Conflict(format!("{error:#}")))?;
    tracing::info!(id = id.0, "a new sealing key seals what is new");
    list(admin)
}
