//! Backups and exports: a snapshot of the store with the keys of its URLs.

use super::Admin;
use super::error::AdminError;
use super::reply::{Content, Reply};
use super::snapshots::snapshot;
use crate::archive::{ArchiveKind, ArchiveWriter};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use std::sync::{Arc, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use webpush_core::protocol::autopush::Versions;
use webpush_store::Detail;

/// Maximum number of pieces that wait for the client to read.
const PIECES: usize = 2;

/// An archive that lacks something must not pass for a whole one.
const DAMAGED: &str = "the store is damaged, so the copy would not be complete: stop the server, run webpush-server repair \
                       (which keeps the old files), start it and try again";

/// Serves `GET /admin/backup` and `GET /admin/export`.
///
/// The archive has everything that was acknowledged to a client before the request.
pub(super) async fn serve(admin: &Arc<Admin>, kind: ArchiveKind) -> Result<Reply, AdminError> {
    let permit = Arc::clone(&admin.snapshots).acquire_owned().await.map_err(|_| AdminError::Internal)?;
    let admin = Arc::clone(admin);
    let archive = spawn_blocking(move || open(&admin, kind)).await.map_err(|_| AdminError::Internal)??;
    let (sender, pieces) = mpsc::channel(PIECES);
    spawn_blocking(move || {
        for piece in archive {
            // The client may have disconnected.
            if sender.blocking_send(piece).is_err() {
                break;
            }
        }
        drop(permit);
    });
    let mut reply = Response::new(Content::Pieces(pieces));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(reply)
}

fn open(admin: &Admin, kind: ArchiveKind) -> Result<ArchiveWriter, AdminError> {
    if admin.service.is_damaged() {
        return Err(AdminError::Conflict(DAMAGED.to_owned()));
    }
    // Locked until the snapshot exists, so that both are of the same moment.
    let mut broadcasts = admin.broadcasts.lock().unwrap_or_else(PoisonError::into_inner);
    broadcasts.refresh().map_err(AdminError::Store)?;
    let snapshot = snapshot(&admin.service, &Detail::EVERYTHING)?;
    let versions = match kind {
        ArchiveKind::Backup => broadcasts.overrides(),
        ArchiveKind::Export => Versions::new(),
    };
    drop(broadcasts);
    // Keys are never removed, so these open every URL of the snapshot.
    let keys = Handle::current().block_on(admin.keys.read()).map_err(|error| {
        tracing::error!("cannot read the sealing keys for a backup or export: {error:#}");
        AdminError::Internal
    })?;
    Ok(ArchiveWriter::new(kind, &admin.service.origin, &keys, versions, snapshot))
}
