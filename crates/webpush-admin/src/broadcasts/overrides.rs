//! Versions that were set at run time, and the file or table that keeps them.

use super::file;
use anyhow::Context as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_core::protocol::autopush::{Broadcast, Versions};
use webpush_store::StoreError;
use webpush_store::postgres::BroadcastTable;

/// The reason a broadcast was not changed.
#[derive(Debug)]
pub enum ChangeError {
    /// The limit on broadcasts is reached.
    Full,
    /// The broadcast was not set at run time.
    NotSet {
        /// True if the configuration has it.
        is_configured: bool,
    },
    /// The file could not be written or synced.
    NotWritten(io::Error),
    /// The database could not be written.
    NotStored(StoreError),
}

/// The versions that were set at run time, as last read or written.
#[derive(Debug)]
pub(super) struct Overrides {
    pub(super) versions: Versions,
    store: OverrideStore,
}

enum OverrideStore {
    File(PathBuf),
    Table(BroadcastTable),
}

impl Overrides {
    /// Reads the file of the data directory.
    pub(super) fn in_file(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(file::NAME);
        Ok(Self { versions: file::load(&path)?, store: OverrideStore::File(path) })
    }

    /// Reads the table. Versions in the file of the data directory move into it, unless it has others.
    pub(super) async fn in_table(table: BroadcastTable, data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(file::NAME);
        let earlier = file::load(&path)?;
        let unusable = "cannot use the broadcasts in the database";
        let mut versions = table.list().await.context(unusable)?;
        for (name, version) in &earlier {
            if !versions.contains_key(name)
                && !table.set(name, version, BROADCASTS).await.context(unusable)?
            {
                tracing::warn!(
                    "there are more than {BROADCASTS} broadcasts: one of {} is dropped",
                    path.display()
                );
            }
        }
        if !earlier.is_empty() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            tracing::info!("the broadcasts of {} are in the database now", path.display());
            versions = table.list().await.context(unusable)?;
        }
        Ok(Self { versions, store: OverrideStore::Table(table) })
    }

    /// Sets a version, durably.
    pub(super) fn set(&mut self, broadcast: Broadcast) -> Result<(), ChangeError> {
        let mut versions = self.versions.clone();
        match &self.store {
            OverrideStore::File(path) => {
                if versions.len() >= BROADCASTS && !versions.contains_key(broadcast.name()) {
                    return Err(ChangeError::Full);
                }
                broadcast.insert_into(&mut versions);
                if versions != self.versions {
                    file::save(path, &versions).map_err(ChangeError::NotWritten)?;
                }
            }
            OverrideStore::Table(table) => {
                let name = broadcast.name().to_owned();
                broadcast.insert_into(&mut versions);
                let version = versions.get(&name).map_or("", String::as_str);
                let set = table.set(&name, version, BROADCASTS);
                if !Handle::current().block_on(set).map_err(ChangeError::NotStored)? {
                    return Err(ChangeError::Full);
                }
            }
        }
        self.versions = versions;
        Ok(())
    }

    /// Removes a version, durably. Returns false if there was none.
    pub(super) fn remove(&mut self, name: &str) -> Result<bool, ChangeError> {
        let mut versions = self.versions.clone();
        let was_known = versions.remove(name).is_some();
        let was_set = match &self.store {
            OverrideStore::File(path) => {
                if was_known {
                    file::save(path, &versions).map_err(ChangeError::NotWritten)?;
                }
                was_known
            }
            OverrideStore::Table(table) => {
                Handle::current().block_on(table.remove(name)).map_err(ChangeError::NotStored)?
            }
        };
        self.versions = versions;
        Ok(was_set)
    }

    /// Reads what other nodes have set.
    pub(super) fn refresh(&mut self) -> Result<(), StoreError> {
        if let OverrideStore::Table(table) = &self.store {
            self.versions = Handle::current().block_on(table.list())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for OverrideStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Table(_) => f.write_str("Table"),
        }
    }
}
