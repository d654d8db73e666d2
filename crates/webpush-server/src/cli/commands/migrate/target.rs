//! The target of a migration.

use super::database;
use super::location::Location;
use anyhow::bail;
use std::sync::Arc;
use webpush_admin::migration;
use webpush_core::capability::KeyId;
use webpush_store::Backend;

/// Opens the target, and writes the keys of the source.
///
/// # Errors
/// Fails if it is served, belongs to another service, or cannot be used.
pub(super) async fn open(location: &Location, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<Arc<Backend>> {
    match location {
        Location::Database(config) => Ok(database::open_target(config, keys).await?.into()),
        Location::File(path) if path.exists() && !path.is_dir() => {
            bail!("it is a file: give a data directory or the URL of a database")
        }
        Location::File(path) => Ok(migration::open_target(path, keys)?.into()),
    }
}
