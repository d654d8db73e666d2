//! Data directories as the source and the target of a migration.

use super::UNLIMITED;
use crate::data_dir::{STORE_DIR, create_data_dir, create_store_dir, has_store};
use crate::sealing_keys::{self, COPY_NAME, FILE_NAME, Keys};
use anyhow::{Context as _, bail};
use std::path::Path;
use webpush_core::capability::KeyId;
use webpush_store::embedded::{EmbeddedStore, OpenError, Options};

/// Opens the store of a stopped server, and reads its keys.
///
/// # Errors
/// Fails if there is none, if a server uses it, or if it is damaged.
pub fn open_source(data_dir: &Path) -> anyhow::Result<(EmbeddedStore, Keys)> {
    if !has_store(data_dir) {
        bail!("{} is not the data directory of a server: it has no store", data_dir.display());
    }
    let keys = sealing_keys::read(data_dir)?;
    let store = match open(data_dir) {
        Err(OpenError::Locked { .. }) => bail!(
            "a server uses {}: for the first pass, make a backup with webpush-server backup FILE and give FILE to --from; \
             for the last pass, stop the server",
            data_dir.display()
        ),
        opened => opened?,
    };
    if store.has_holes() {
        bail!("the store in {} is damaged: run webpush-server repair first", data_dir.display());
    }
    Ok((store, keys))
}

/// Opens a new data directory or one of an earlier pass, and writes the keys of the source.
///
/// # Errors
/// Fails if a server uses the directory, if it has a key that the source does not have, or if it cannot be written.
pub fn open_target(data_dir: &Path, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<EmbeddedStore> {
    create_data_dir(data_dir)?;
    sealing_keys::check_adoptable(data_dir, keys)?;
    let has_keys = [FILE_NAME, COPY_NAME].iter().any(|name| data_dir.join(name).exists());
    if has_store(data_dir) && !has_keys {
        bail!("{} has a store without sealing keys: choose a new directory", data_dir.display());
    }
    if !has_keys {
        // First, so that an interrupted pass is recognized as one of this source.
        sealing_keys::adopt(data_dir, keys)?;
    }
    create_store_dir(data_dir)?;
    let store = match open(data_dir) {
        Err(OpenError::Locked { .. }) => bail!(
            "a server or another migration uses {}: stop it before anything is moved there",
            data_dir.display()
        ),
        opened => opened.with_context(|| format!("cannot use {}", data_dir.join(STORE_DIR).display()))?,
    };
    sealing_keys::adopt(data_dir, keys)?;
    Ok(store)
}

fn open(data_dir: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(&data_dir.join(STORE_DIR), Options { quota: UNLIMITED, ..Options::default() })
}
