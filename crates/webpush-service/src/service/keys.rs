//! URLs whose sealing key another node may have added.

use super::Service;
use crate::shared_keys::MAX_AGE;
use std::time::Duration;
use webpush_core::capability::{Capability, is_capability_path};
use webpush_store::StoreError;

impl Service {
    /// Opens the path of a capability URL, like [`Keyring::open`](webpush_core::capability::Keyring::open).
    ///
    /// If no key opens it, those that other nodes have added are read first.
    ///
    /// # Errors
    /// Fails if they cannot be read: the URL may be valid.
    pub async fn open(&self, path: &str) -> Result<Option<Capability>, StoreError> {
        let open = self.keyring.open(path);
        if open.is_none() && is_capability_path(path) && self.find_new_keys().await? {
            return Ok(self.keyring.open(path));
        }
        Ok(open)
    }

    /// Opens the path of a capability URL of this server, below any path of its origin.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub async fn open_below(&self, path: &str) -> Result<Option<Capability>, StoreError> {
        let open = self.keyring.open_below(path);
        if open.is_none() && self.find_new_keys().await? {
            return Ok(self.keyring.open_below(path));
        }
        Ok(open)
    }

    /// Reads the sealing keys of other nodes. Returns false if there are no other nodes.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub async fn find_new_keys(&self) -> Result<bool, StoreError> {
        if self.shared_keys.is_none() {
            return Ok(false);
        }
        // On the heap, because it is rare.
        Box::pin(self.refresh_keys(MAX_AGE)).await?;
        Ok(true)
    }

    /// Reads the sealing keys of other nodes, unless that was done in the last `max_age`.
    pub(crate) async fn refresh_keys(&self, max_age: Duration) -> Result<(), StoreError> {
        match &self.shared_keys {
            Some(keys) => keys.refresh(&self.keyring, max_age).await,
            None => Ok(()),
        }
    }
}
