//! Imports the agents of another server.

use super::Admin;
use super::error::AdminError;
use super::reply::{Reply, json};
use crate::archive::{ArchiveError, Import, LINE_BYTES};
use bytes::BytesMut;
use std::sync::Arc;
use webpush_core::id::InboxId;
use webpush_http::body::Body;
use webpush_store::{Durability, Op};

/// Serves `POST /admin/import`: the body is an export or a backup. Imports run one at a time.
pub(super) async fn import(admin: &Arc<Admin>, body: &mut Body) -> Result<Reply, AdminError> {
    let _guard = admin.key_lock.lock().await;
    let (mut import, mut rest) = (Import::default(), BytesMut::new());
    let mut keys_imported = 0;
    loop {
        let part = body.next_part().await;
        let Some(part) = part.map_err(|_| AdminError::bad_request("the request body is incomplete"))? else {
            break;
        };
        rest.extend_from_slice(&part);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            if let Some(ops) = import.add_line(&line[..end], |inbox| exists(admin, inbox)).await? {
                commit(admin, &import, &mut keys_imported, ops).await?;
            }
        }
        if rest.len() > LINE_BYTES {
            return Err(AdminError::bad_request(format_args!("a line is longer than {LINE_BYTES} bytes")));
        }
    }
    if !rest.is_empty()
        && let Some(ops) = import.add_line(&rest, |inbox| exists(admin, inbox)).await?
    {
        commit(admin, &import, &mut keys_imported, ops).await?;
    }
    let (ops, all, added) = import.finish()?;
    commit(admin, &import, &mut keys_imported, ops).await?;
    json(&serde_json::json!({ "file": all, "added": added }))
}

async fn exists(admin: &Admin, inbox: InboxId) -> Result<bool, AdminError> {
    Ok(admin.service.inbox(inbox).await?.is_some())
}

/// Imports new keys, then commits operations, so that no URL is stored without its key.
async fn commit(
    admin: &Arc<Admin>,
    import: &Import,
    keys_imported: &mut usize,
    ops: Vec<Op>,
) -> Result<(), AdminError> {
    if import.keys().len() > *keys_imported {
        *keys_imported = import.keys().len();
        let imported = admin.keys.import(&admin.service, import.keys().to_vec()).await;
        imported.map_err(|error| AdminError::Conflict(format!("{error:#}")))?;
    }
    admin.service.commit(ops, Durability::Durable).await?;
    // The timer knows no deadlines of restored messages.
    admin.service.sweep_timer.rescan();
    Ok(())
}

impl From<ArchiveError> for AdminError {
    fn from(error: ArchiveError) -> Self {
        Self::bad_request(error)
    }
}
