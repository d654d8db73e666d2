//! The sealing keys of a running server: a file in its data directory, or a database of all nodes.

use super::Keys;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_core::capability::KeyId;
use webpush_service::service::Service;
use webpush_service::shared_keys::SharedKeys;

/// The place of the sealing keys.
#[derive(Clone)]
pub enum KeySource {
    /// The file in this data directory.
    DataDir(PathBuf),
    /// A database.
    Shared(Arc<SharedKeys>),
}

impl KeySource {
    /// Returns the keys in a database, if they are there.
    #[must_use]
    pub fn shared(&self) -> Option<Arc<SharedKeys>> {
        match self {
            Self::DataDir(_) => None,
            Self::Shared(keys) => Some(Arc::clone(keys)),
        }
    }

    /// Reads the keys; the last one is the current key.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub async fn read(&self) -> anyhow::Result<Keys> {
        match self {
            Self::DataDir(data_dir) => {
                let data_dir = data_dir.clone();
                spawn_blocking(move || super::read(&data_dir)).await?
            }
            Self::Shared(keys) => keys.read().await,
        }
    }

    /// Returns a key that will seal new URLs, but does not do so yet.
    ///
    /// # Errors
    /// Fails if the keys cannot be read.
    pub async fn pending(&self) -> anyhow::Result<Option<KeyId>> {
        match self {
            Self::DataDir(_) => Ok(None),
            Self::Shared(keys) => keys.pending().await,
        }
    }

    /// Adds a key that seals new URLs, if there are other nodes once all of them have it.
    ///
    /// Callers must not run this or [`import`](Self::import) concurrently.
    ///
    /// # Errors
    /// Fails if all IDs are in use, or if the key cannot be stored.
    pub async fn rotate(&self, service: &Arc<Service>) -> anyhow::Result<KeyId> {
        match self {
            Self::DataDir(data_dir) => {
                let (data_dir, service) = (data_dir.clone(), Arc::clone(service));
                spawn_blocking(move || super::rotate(&data_dir, &service.keyring)).await?
            }
            Self::Shared(keys) => keys.rotate(&service.keyring).await,
        }
    }

    /// Adds keys of another server, so that its URLs work here.
    ///
    /// # Errors
    /// Fails if an ID belongs to a different key here, or if the keys cannot be stored.
    pub async fn import(&self, service: &Arc<Service>, keys: Keys) -> anyhow::Result<()> {
        match self {
            Self::DataDir(data_dir) => {
                let (data_dir, service) = (data_dir.clone(), Arc::clone(service));
                spawn_blocking(move || super::import_keys(&data_dir, &service.keyring, &keys)).await?
            }
            Self::Shared(shared) => shared.import(&service.keyring, &keys).await,
        }
    }
}
