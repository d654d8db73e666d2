//! Backups and exports: a snapshot of the store with the keys of its URLs, while the service goes on.

use super::Admin;
use super::error::AdminError;
use super::find::snapshot;
use super::reply::{Content, Reply};
use crate::archive::{ArchiveKind, Writer};
use crate::keys_file;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use webpush_core::protocol::autopush::Versions;
use webpush_store::Detail;

/// Pieces that wait for whoever reads them.
const PIECES: usize = 2;

/// `GET /admin/backup` and `GET /admin/export`. What was acknowledged to anybody before this was asked for is on it.
pub(super) async fn write(admin: &Arc<Admin>, kind: ArchiveKind) -> Result<Reply, AdminError> {
    let place = Arc::clone(&admin.snapshots).acquire_owned().await.map_err(|_| AdminError::Internal)?;
    let admin = Arc::clone(admin);
    let writer = spawn_blocking(move || begin(&admin, kind)).await.map_err(|_| AdminError::Internal)??;
    let (sender, pieces) = mpsc::channel(PIECES);
    spawn_blocking(move || {
        for piece in writer {
            // Whoever asked may have gone.
            if sender.blocking_send(piece).is_err() {
                break;
            }
        }
        drop(place);
    });
    let mut reply = Response::new(Content::Pieces(pieces));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(reply)
}

fn begin(admin: &Admin, kind: ArchiveKind) -> Result<Writer, AdminError> {
    // What agents are told is of the same moment.
    let broadcasts = admin.broadcasts.lock().unwrap_or_else(PoisonError::into_inner);
    let snapshot = snapshot(&admin.service, &Detail::EVERYTHING)?;
    let set = match kind {
        ArchiveKind::Backup => broadcasts.overrides(),
        ArchiveKind::Export => Versions::new(),
    };
    drop(broadcasts);
    // Keys are never taken away: there is one for all that is on the snapshot.
    let keys = keys_file::read(&admin.data_dir).map_err(|error| {
        tracing::error!(%error, "the sealing keys can't be read for a copy");
        AdminError::Internal
    })?;
    Ok(Writer::new(kind, &admin.service.origin, &keys, set, snapshot))
}
