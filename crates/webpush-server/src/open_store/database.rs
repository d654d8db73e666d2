//! Opens the database of a cluster.

use super::OpenStore;
use crate::store_config::StoreConfig;
use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use webpush_admin::sealing_keys::KeySource;
use webpush_core::env::Env;
use webpush_service::shared_keys::{KeyTable, SharedKeys, WrappedKey};
use webpush_store::postgres::{Options, PostgresStore, SealingKeyTable};
use webpush_store::{Backend, Quota};

/// Connects to the database, creates its tables if there are none, and loads the sealing keys.
///
/// # Errors
/// Fails if the database cannot be used, or has keys of another secret.
pub(super) async fn open(config: &StoreConfig, quota: Quota, env: &Env) -> anyhow::Result<OpenStore> {
    config.check()?;
    let options = Options {
        url: config.url.expose().to_owned(),
        password: config.password()?.map(|password| password.expose().to_owned()),
        ca: config.ca()?,
        schema: config.schema.clone(),
        connections: config.connections,
        node_name: node_name(),
        quota,
        env: env.clone(),
    };
    let address = || format!("cannot use {} (--store)", config.display_url());
    let store = PostgresStore::open(options).await.with_context(address)?;
    let table = Box::new(DatabaseKeys(store.sealing_keys()));
    let secret = config.secret()?;
    let (keys, keyring) = SharedKeys::open(table, secret.expose().as_bytes(), &config.schema, env.clone())
        .await
        .with_context(address)?;
    let store: Arc<Backend> = store.into();
    Ok(OpenStore { store, keyring, keys: KeySource::Shared(Arc::new(keys)) })
}

/// Returns the name of this machine, by which operators know the node.
fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The sealing keys in the database.
struct DatabaseKeys(SealingKeyTable);

impl KeyTable for DatabaseKeys {
    fn list(&self) -> BoxFuture<'_, anyhow::Result<Vec<WrappedKey>>> {
        async { Ok(self.0.list().await?) }.boxed()
    }

    fn add(&self, id: u8, wrapped: Vec<u8>, expected: usize) -> BoxFuture<'_, anyhow::Result<bool>> {
        async move { Ok(self.0.add(id, &wrapped, expected).await?) }.boxed()
    }
}
