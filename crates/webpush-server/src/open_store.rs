//! Opens the store of a server with its sealing keys: in the data directory, or in a database.

pub(crate) mod database;

use crate::runtime_watch::RuntimeWatch;
use crate::server_config::{DamageHandling, ServerConfig};
use anyhow::{Context as _, bail};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use webpush_admin::data_dir::{
    STORE_DIR, create_data_dir, create_store_dir, finish_repair, has_store, repair_store,
};
use webpush_admin::sealing_keys::{self, KeySource};
use webpush_core::capability::Keyring;
use webpush_core::env::Env;
use webpush_store::Backend;
use webpush_store::embedded::{EmbeddedStore, MemtableBounds, OpenError, Options, SubmitterCommits};

/// A sync for which a worker of the runtime may wait. Fast solid-state disks take less.
const SHORT_SYNC: Duration = Duration::from_micros(500);

/// An open store.
pub(crate) struct OpenStore {
    pub(crate) store: Arc<Backend>,
    pub(crate) keyring: Keyring,
    pub(crate) keys: KeySource,
}

/// Opens the store, and loads the sealing keys or creates the first one.
///
/// # Errors
/// Fails if the data directory or the database cannot be used.
pub(crate) async fn open(settings: &ServerConfig, env: &Env) -> anyhow::Result<OpenStore> {
    let data_dir = &settings.data_dir;
    if let Some(config) = &settings.store {
        if settings.recovery.begin_anew || settings.recovery.repair {
            bail!(
                "--begin-anew and --repair are for the store in a data directory, and this server has --store"
            );
        }
        if has_store(data_dir) {
            bail!(
                "{} has messages, and with --store this server would not serve them: choose another --data-dir, or start \
                 without --store",
                data_dir.join(STORE_DIR).display()
            );
        }
        create_data_dir(data_dir)?;
        return database::open(config, settings.quota, env).await;
    }
    let options = Options {
        quota: settings.quota,
        row_cache_bytes: settings.row_cache,
        reserve_bytes: settings.reserve,
        memtable: MemtableBounds {
            bytes: usize::try_from(settings.memtable).unwrap_or(usize::MAX),
            log_bytes: settings.memtable.saturating_mul(2),
            ..MemtableBounds::default()
        },
        env: env.clone(),
        submitter_commits: submitter_commits()?,
        ..Options::default()
    };
    let (store, keyring) = open_data_dir(data_dir, options, settings.recovery)?;
    Ok(OpenStore { store, keyring, keys: KeySource::DataDir(data_dir.clone()) })
}

/// Lets workers of this runtime do commits, if others can go on while one waits for the disk.
fn submitter_commits() -> anyhow::Result<Option<SubmitterCommits>> {
    let runtime = Handle::current();
    if runtime.metrics().num_workers() < 2 {
        return Ok(None);
    }
    let waits = RuntimeWatch::start(runtime).context("cannot start a thread")?;
    Ok(Some(SubmitterCommits { sync_limit: SHORT_SYNC, waits: Arc::new(waits) }))
}

fn open_data_dir(
    data_dir: &Path,
    options: Options,
    recovery: DamageHandling,
) -> anyhow::Result<(Arc<Backend>, Keyring)> {
    create_data_dir(data_dir)?;
    finish_repair(data_dir)?;
    let store_dir = data_dir.join(STORE_DIR);
    // A kill in the very first start leaves keys without a store, but not their copy.
    if !has_store(data_dir) && data_dir.join(sealing_keys::COPY_NAME).exists() && !recovery.begin_anew {
        bail!(
            "{} is missing, but {} has the keys of the URLs of its agents: restore the data directory from a backup, or \
             start once with --begin-anew to begin with an empty store and the same keys",
            store_dir.display(),
            data_dir.display()
        );
    }
    // Before the store is created: a store without keys means that the keys were lost.
    let keyring = sealing_keys::load_or_create(data_dir, store_dir.exists())?;
    create_store_dir(data_dir)?;
    let store = open_embedded(data_dir, options, recovery.repair)
        .with_context(|| format!("cannot use the data directory {} (--data-dir)", data_dir.display()))?;
    sealing_keys::keep_copy(data_dir)?;
    Ok((store.into(), keyring))
}

/// Opens the store, after a repair if it needs one and `repair` is set.
fn open_embedded(data_dir: &Path, options: Options, repair: bool) -> Result<EmbeddedStore, OpenError> {
    let store_dir = &data_dir.join(STORE_DIR);
    let opened = EmbeddedStore::open(store_dir, options.clone());
    match opened {
        Ok(store) if repair && store.has_holes() => drop(store),
        Err(error) if repair && error.is_damage() => tracing::error!(%error, "repairing the store"),
        opened => return opened,
    }
    let report = repair_store(data_dir, options.clone())?;
    report.to_string().lines().for_each(|line| tracing::warn!("repaired the store: {line}"));
    EmbeddedStore::open(store_dir, options)
}
