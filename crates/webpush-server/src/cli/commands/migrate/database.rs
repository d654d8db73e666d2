//! The database of a cluster as source and target.

use crate::cli::render::terminal;
use crate::open_store::database::{DatabaseKeys, node_name, options};
use crate::store_config::StoreConfig;
use anyhow::{Context as _, bail};
use std::time::Duration;
use tokio::time::sleep;
use webpush_admin::migration::UNLIMITED;
use webpush_admin::sealing_keys::Keys;
use webpush_core::capability::KeyId;
use webpush_service::shared_keys::SharedKeys;
use webpush_service::system;
use webpush_store::cells::ClusterStore;
use webpush_store::postgres::PostgresOptions;

/// Connections for commits.
pub(super) const CONNECTIONS: usize = 4;
/// Time between two looks at the heartbeats of other nodes.
const HEARTBEAT_POLL: Duration = Duration::from_secs(1);

/// Opens the database, and reads its keys.
///
/// # Errors
/// Fails if the database cannot be used, has no service, or has keys of another secret.
pub(super) async fn open_source(config: &StoreConfig) -> anyhow::Result<(ClusterStore, Keys)> {
    let store = connect(config).await?;
    if store.first().sealing_keys().list().await?.is_empty() {
        bail!("the schema {} has no service: check the URL and --store-schema", config.schema);
    }
    let secret = config.secret()?;
    let table = DatabaseKeys::table(store.first());
    let (shared, _) =
        SharedKeys::open(table, secret.expose().as_bytes(), &config.schema, system::env()).await?;
    let mut keys = shared.read().await?;
    // Seals no URL yet.
    let pending = shared.pending().await?;
    keys.retain(|(id, _)| Some(*id) != pending);
    Ok((store, keys))
}

/// Opens the database, and writes the keys of the source.
///
/// # Errors
/// Fails if a node serves it, if it has a key that the source does not have, or if it cannot be used.
pub(super) async fn open_target(
    config: &StoreConfig,
    keys: &[(KeyId, [u8; 32])],
) -> anyhow::Result<ClusterStore> {
    let store = connect(config).await?;
    refuse_if_served(&store).await?;
    let secret = config.secret()?;
    let table = DatabaseKeys::table(store.first());
    SharedKeys::adopt(table, secret.expose().as_bytes(), &config.schema, system::env(), keys).await?;
    Ok(store)
}

async fn connect(config: &StoreConfig) -> anyhow::Result<ClusterStore> {
    let name = format!("{} (migrate)", node_name());
    let options = PostgresOptions { is_server: false, ..options(config, name, UNLIMITED, &system::env())? };
    Ok(ClusterStore::open(options).await?)
}

/// Waits until nodes that have ended without a word are forgotten.
///
/// # Errors
/// Fails if a node is alive.
async fn refuse_if_served(store: &ClusterStore) -> anyhow::Result<()> {
    let first = store.first().other_nodes().await.context("cannot read the heartbeats of its nodes")?;
    if let Some(node) = first.first() {
        terminal::note(&format!("waiting up to 15 s to see if the node {} still runs", node.name));
    }
    let mut now = first.clone();
    while !now.is_empty() {
        if let Some(node) = now.iter().find(|node| !first.contains(node)) {
            bail!("the node {} uses it: stop all nodes before anything is moved there", node.name);
        }
        sleep(HEARTBEAT_POLL).await;
        now = store.first().other_nodes().await.context("cannot read the heartbeats of its nodes")?;
    }
    Ok(())
}
