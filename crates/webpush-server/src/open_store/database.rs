//! Opens the database of a cluster.

use super::OpenStore;
use crate::store_config::StoreConfig;
use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use webpush_admin::sealing_keys::KeySource;
use webpush_core::env::Env;
use webpush_service::shared_keys::{KeyTable, SharedKeys, WrappedKey};
use webpush_store::cells::ClusterStore;
use webpush_store::postgres::{
    DatabaseDurability, DatabaseError, PostgresOptions, PostgresStore, SealingKeyTable,
};
use webpush_store::{Backend, Quota};

/// How long a start waits for the database. The service manager gives it 90 s by default.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_secs(1);

/// Connects to the database, creates its tables if there are none, and loads the sealing keys.
///
/// # Errors
/// Fails if the database cannot be used, or has keys of another secret.
pub(super) async fn open(config: &StoreConfig, quota: Quota, env: &Env) -> anyhow::Result<OpenStore> {
    config.check()?;
    let address = || format!("cannot use {} (--store)", config.display_url());
    let options = options(config, node_name(), quota, env)?;
    let store = retry(|| ClusterStore::open(options.clone())).await.with_context(address)?;
    let table = DatabaseKeys::table(store.first());
    let secret = config.secret()?;
    let (keys, keyring) = SharedKeys::open(table, secret.expose().as_bytes(), &config.schema, env.clone())
        .await
        .with_context(address)?;
    report_durability(&options).await;
    let store: Arc<Backend> = store.into();
    Ok(OpenStore { store, keyring, keys: KeySource::Shared(Arc::new(keys)) })
}

/// Opens the database once it can be reached.
///
/// When all machines start again, it may take longer than this program.
async fn retry<T, F: Future<Output = Result<T, DatabaseError>>>(
    open: impl Fn() -> F,
) -> Result<T, DatabaseError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match open().await {
            Err(error @ DatabaseError::Connect(_)) if Instant::now() < deadline => {
                tracing::warn!("cannot use the database yet: {error}; retrying");
                sleep(RETRY).await;
            }
            opened => return opened,
        }
    }
}

/// Logs how durable commits are.
async fn report_durability(options: &PostgresOptions) {
    match DatabaseDurability::read(options).await {
        Ok(durability) => {
            tracing::info!("{durability}");
            durability.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        }
        Err(error) => tracing::warn!("cannot find out how durable commits are: {error}"),
    }
}

/// Returns the options of the store in a database.
///
/// # Errors
/// Fails if a file cannot be read.
pub(crate) fn options(
    config: &StoreConfig,
    node_name: String,
    quota: Quota,
    env: &Env,
) -> anyhow::Result<PostgresOptions> {
    Ok(PostgresOptions {
        url: config.url.expose().to_owned(),
        password: config.password()?.map(|password| password.expose().to_owned()),
        ca: config.ca()?,
        schema: config.schema.clone(),
        connections: config.connections,
        is_server: true,
        node_name,
        cell: String::new(),
        quota,
        env: env.clone(),
    })
}

/// Returns the name of this machine, by which operators know the node.
pub(crate) fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The sealing keys in the database.
pub(crate) struct DatabaseKeys(SealingKeyTable);

impl DatabaseKeys {
    /// Returns the keys of a store.
    pub(crate) fn table(store: &PostgresStore) -> Box<dyn KeyTable> {
        Box::new(Self(store.sealing_keys()))
    }
}

impl KeyTable for DatabaseKeys {
    fn list(&self) -> BoxFuture<'_, anyhow::Result<Vec<WrappedKey>>> {
        async { Ok(self.0.list().await?) }.boxed()
    }

    fn add(&self, id: u8, wrapped: Vec<u8>, expected: usize) -> BoxFuture<'_, anyhow::Result<bool>> {
        async move { Ok(self.0.add(id, &wrapped, expected).await?) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_for_a_database_that_cannot_be_reached() {
        let attempts = Cell::new(0);
        let opened = retry(async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 10 { Err(DatabaseError::Connect("refused".to_owned())) } else { Ok(()) }
        });
        assert!(opened.await.is_ok());
        let start = Instant::now();
        let never = retry(async || Err::<(), _>(DatabaseError::Connect("refused".to_owned())));
        assert!(never.await.is_err() && start.elapsed() >= PATIENCE);
        let start = Instant::now();
        let wrong = retry(async || Err::<(), _>(DatabaseError::Option("wrong".to_owned())));
        assert!(wrong.await.is_err() && start.elapsed().is_zero(), "waiting would not help");
    }
}
