//! The source of a migration.

use super::database;
use super::location::Location;
use anyhow::Context as _;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_admin::archive::Backup;
use webpush_admin::migration::{self, SourceRecords};
use webpush_admin::sealing_keys::Keys;
use webpush_core::time::Timestamp;
use webpush_store::{Backend, Detail, Store as _};

/// The note after a pass from a backup.
const FROM_BACKUP: &str =
    "this was a backup: for the last pass, stop the server, and give its data directory to --from";
/// The note after a pass from a database that is being served.
const SERVED: &str =
    "nodes of the source are running: for the last pass, stop them, and run the command again";

/// An open source.
pub(super) struct MigrationSource {
    /// Its sealing keys; the last one is the current key.
    pub(super) keys: Keys,
    content: Content,
}

enum Content {
    Store(Arc<Backend>),
    /// `None` once it was read.
    Backup(Option<Backup>),
}

impl MigrationSource {
    /// # Errors
    /// Fails if the source cannot be used.
    pub(super) async fn open(location: &Location) -> anyhow::Result<Self> {
        match location {
            Location::Database(config) => {
                let (store, keys) = database::open_source(config).await?;
                Ok(Self { keys, content: Content::Store(store.into()) })
            }
            Location::File(path) if path.is_dir() => {
                let (store, keys) = migration::open_source(path)?;
                Ok(Self { keys, content: Content::Store(store.into()) })
            }
            Location::File(path) => {
                let mut backup = Backup::open(path)?;
                let keys = std::mem::take(&mut backup.keys);
                Ok(Self { keys, content: Content::Backup(Some(backup)) })
            }
        }
    }

    /// Returns when an inbox was last used; `None` without inboxes.
    ///
    /// # Errors
    /// Fails if the source cannot be read.
    pub(super) async fn last_use(&self) -> anyhow::Result<Option<Timestamp>> {
        match &self.content {
            Content::Store(store) => last_use(store).await,
            Content::Backup(backup) => Ok(backup.as_ref().and_then(|backup| backup.last_use)),
        }
    }

    /// Returns the records. Callable once.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub(super) async fn records(&mut self) -> anyhow::Result<SourceRecords> {
        match &mut self.content {
            Content::Store(store) => Ok(migration::records(store.snapshot(&Detail::EVERYTHING).await?)),
            Content::Backup(backup) => {
                Ok(Box::new(backup.take().context("the backup was read before")?.records()?))
            }
        }
    }

    /// Closes the source; returns a note if it may have changed since it was read.
    pub(super) async fn close(self) -> Option<&'static str> {
        let store = match self.content {
            Content::Backup(_) => return Some(FROM_BACKUP),
            Content::Store(store) => store,
        };
        let is_served = match &*store {
            Backend::Cluster(store) => store.first().other_nodes().await.is_ok_and(|nodes| !nodes.is_empty()),
            Backend::Embedded(_) | Backend::Memory(_) => false,
        };
        // Closing waits for the database, whose tasks run on this thread.
        let _ = spawn_blocking(move || store.close()).await;
        is_served.then_some(SERVED)
    }
}

/// Returns when an inbox of the store was last used, by the hour.
pub(super) async fn last_use(store: &Backend) -> anyhow::Result<Option<Timestamp>> {
    let snapshot = store.snapshot(&Detail::INBOXES).await?;
    // Records of a database arrive on this thread, so they are read on another one.
    spawn_blocking(move || migration::last_use(snapshot)).await?
}
