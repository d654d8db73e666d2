//! Opens the database of a cluster.

use super::OpenStore;
use crate::store_config::StoreConfig;
use anyhow::bail;
use webpush_core::env::Env;
use webpush_store::Quota;

/// Connects to the database, creates its tables if there are none, and loads the sealing keys.
///
/// # Errors
/// Fails if the database cannot be used, or has keys of another secret.
pub(super) async fn open(config: &StoreConfig, _quota: Quota, _env: &Env) -> anyhow::Result<OpenStore> {
    config.check()?;
    bail!("cannot use {} (--store)", config.display_url())
}
