//! Taking agents of another service in, while this one goes on.

use super::Admin;
use super::error::AdminError;
use super::reply::{Reply, json};
use crate::archive::{ArchiveError, Import, LINE_BYTES};
use crate::keys_file;
use bytes::BytesMut;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_core::capability::KeyId;
use webpush_core::id::InboxId;
use webpush_http::body::Body;
use webpush_store::{Durability, Op};

/// `POST /admin/import`: the body is an export or a backup. One at a time.
pub(super) async fn import(admin: &Arc<Admin>, body: &mut Body) -> Result<Reply, AdminError> {
    let _changing = admin.changing.lock().await;
    let (mut import, mut rest) = (Import::default(), BytesMut::new());
    let mut keys_known = 0;
    loop {
        let part = body.next_part().await;
        let Some(part) = part.map_err(|_| AdminError::bad_request("the file did not arrive whole"))? else {
            break;
        };
        rest.extend_from_slice(&part);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            if let Some(ops) = import.take(&line[..end], |inbox| is_there(admin, inbox)).await? {
                commit(admin, &import, &mut keys_known, ops).await?;
            }
        }
        if rest.len() > LINE_BYTES {
            return Err(AdminError::bad_request("a line of the file is too long to be one"));
        }
    }
    if !rest.is_empty()
        && let Some(ops) = import.take(&rest, |inbox| is_there(admin, inbox)).await?
    {
        commit(admin, &import, &mut keys_known, ops).await?;
    }
    let (ops, all, added) = import.finish()?;
    commit(admin, &import, &mut keys_known, ops).await?;
    json(&serde_json::json!({ "file": all, "added": added }))
}

async fn is_there(admin: &Admin, inbox: InboxId) -> Result<bool, AdminError> {
    Ok(admin.service.inbox(inbox).await?.is_some())
}

/// Nothing is put back before the keys of its URLs are here.
async fn commit(
    admin: &Arc<Admin>,
    import: &Import,
    keys_known: &mut usize,
    ops: Vec<Op>,
) -> Result<(), AdminError> {
    if import.keys().len() > *keys_known {
        *keys_known = import.keys().len();
        import_keys(admin, import.keys().to_vec()).await?;
    }
    admin.service.commit(ops, Durability::Durable).await?;
    // Nobody was told of deadlines.
    admin.service.sweep_timer.rescan();
    Ok(())
}

async fn import_keys(admin: &Arc<Admin>, keys: Vec<(KeyId, [u8; 32])>) -> Result<(), AdminError> {
    let admin = Arc::clone(admin);
    let taken =
        spawn_blocking(move || keys_file::import_keys(&admin.data_dir, &admin.service.keyring, &keys)).await;
    taken.map_err(|_| AdminError::Internal)?.map_err(|error| AdminError::Conflict(format!("{error:#}")))
}

impl From<ArchiveError> for AdminError {
    fn from(fault: ArchiveError) -> Self {
        Self::bad_request(fault)
    }
}
