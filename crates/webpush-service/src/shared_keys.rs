//! Sealing keys in a database that several nodes share.
//!
//! Each key is wrapped with a secret of all nodes. Keys are only added: a node adds one if the number of keys is still the
//! one that it has read. All nodes read the keys every few seconds, and again when a URL has a key that they do not know,
//! so that none refuses a URL of another one. A new key seals URLs a minute after it was added, when every node has it.

mod wrapping;

use crate::sealing_cipher::Aes256GcmSiv;
use anyhow::{Context as _, bail};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::env::{Env, MonotonicTime};
use webpush_store::StoreError;
use wrapping::{KeyRecord, Wrapping};

/// How often every node reads the keys.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// How long a new key only opens URLs.
pub const ACTIVATION_DELAY: Duration = Duration::from_secs(60);
/// Age of a read after which an unknown key leads to another one.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(1);
/// Maximum duration of a read.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

const NO_KEY: &str = "the database has no sealing key for new URLs";

/// The ID of a sealing key, and the wrapped key.
pub type WrappedKey = (u8, Vec<u8>);

/// The wrapped keys of all nodes, in the order in which they were added.
pub trait KeyTable: Send + Sync {
    /// Reads the keys.
    fn list(&self) -> BoxFuture<'_, anyhow::Result<Vec<WrappedKey>>>;

    /// Adds a key if there are `expected` keys. Returns false and adds nothing if another node was first.
    fn add(&self, id: u8, wrapped: Vec<u8>, expected: usize) -> BoxFuture<'_, anyhow::Result<bool>>;
}

/// Sealing keys that several nodes share.
pub struct SharedKeys {
    table: Box<dyn KeyTable>,
    wrapping: Wrapping,
    env: Env,
    last_read: Mutex<Option<LastRead>>,
}

/// The last attempt to read the keys.
struct LastRead {
    begun: MonotonicTime,
    succeeded: bool,
}

/// Checks that a secret is long enough.
///
/// # Errors
/// Fails if it is not.
pub fn check_secret(secret: &[u8]) -> anyhow::Result<()> {
    Wrapping::new(secret, "").map(drop)
}

impl SharedKeys {
    /// Reads the keys, or creates the first one. `schema` tells services in one database apart.
    ///
    /// # Errors
    /// Fails if the database cannot be read or written, or if the keys were wrapped with another secret.
    pub async fn open(
        table: Box<dyn KeyTable>,
        secret: &[u8],
        schema: &str,
        env: Env,
    ) -> anyhow::Result<(Self, Keyring)> {
        let keys = Self { table, wrapping: Wrapping::new(secret, schema)?, env, last_read: Mutex::default() };
        let mut records = keys.records().await?;
        if records.is_empty() {
            let [id] = keys.env.random::<1>()?;
            // If another node was first, both use its key.
            keys.add(KeyId(id), keys.env.random::<32>()?, true, 0).await?;
            records = keys.records().await?;
        }
        let all: Vec<_> = records.iter().map(|record| (record.id, record.key)).collect();
        let keyring = Keyring::new::<Aes256GcmSiv>(&all);
        let keyring = keyring.context("the database has no sealing keys, or two with the same ID")?;
        keyring.set_current(keys.current(&records).context(NO_KEY)?);
        Ok((keys, keyring))
    }

    /// Writes the keys of a service that moves into the database; the last one seals new URLs at once.
    ///
    /// No node may be running.
    ///
    /// # Errors
    /// Fails if the database has a key that is not among them, or keys of another secret, or cannot be written.
    pub async fn adopt(
        table: Box<dyn KeyTable>,
        secret: &[u8],
        schema: &str,
        env: Env,
        keys: &[(KeyId, [u8; 32])],
    ) -> anyhow::Result<()> {
        let shared =
            Self { table, wrapping: Wrapping::new(secret, schema)?, env, last_read: Mutex::default() };
        let records = shared.records().await?;
        if records.iter().any(|record| !keys.contains(&(record.id, record.key))) {
            bail!(
                "the database belongs to another service: it has sealing keys that the source does not have"
            );
        }
        let is_new = |(id, _): &&(KeyId, [u8; 32])| records.iter().all(|record| record.id != *id);
        let current = keys.last().map(|(id, _)| *id);
        let added = shared.env.now().before(ACTIVATION_DELAY);
        for (number, (id, key)) in (records.len()..).zip(keys.iter().filter(is_new)) {
            let record = KeyRecord { id: *id, key: *key, seals: Some(*id) == current, added };
            if !shared.add_record(&record, number).await? {
                bail!("a node of the service has added a sealing key meanwhile");
            }
        }
        Ok(())
    }

    /// Returns the keys in the order in which they were added, except that the current one is the last.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn read(&self) -> anyhow::Result<Vec<(KeyId, [u8; 32])>> {
        let records = self.records().await?;
        let current = self.current(&records);
        let (last, others): (Vec<_>, Vec<_>) = records.iter().partition(|record| Some(record.id) == current);
        Ok(others.into_iter().chain(last).map(|record| (record.id, record.key)).collect())
    }

    /// Returns the key that will seal new URLs, if it does not do so yet.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn pending(&self) -> anyhow::Result<Option<KeyId>> {
        let records = self.records().await?;
        let last = records.iter().rev().find(|record| record.seals).map(|record| record.id);
        Ok(last.filter(|_| last != self.current(&records)))
    }

    /// Adds a new key. It seals URLs after [`ACTIVATION_DELAY`].
    ///
    /// # Errors
    /// Fails if all IDs are in use, or if the database cannot be written.
    pub async fn rotate(&self, keyring: &Keyring) -> anyhow::Result<KeyId> {
        loop {
            let records = self.records().await?;
            self.apply(&records, keyring)?;
            let last = records.last().map_or(0, |record| record.id.0);
            let is_free = |id: &KeyId| records.iter().all(|record| record.id != *id);
            let id = (1..=u8::MAX).map(|step| KeyId(last.wrapping_add(step))).find(is_free);
            let id = id.context("all 256 IDs of sealing keys are in use")?;
            if self.add(id, self.env.random::<32>()?, true, records.len()).await? {
                self.apply(&self.records().await?, keyring)?;
                return Ok(id);
            }
        }
    }

    /// Adds keys of another server, so that its URLs work here. They never seal.
    ///
    /// # Errors
    /// Fails if an ID belongs to a different key here, or if the database cannot be written.
    pub async fn import(&self, keyring: &Keyring, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
        loop {
            let records = self.records().await?;
            let find = |id: KeyId| records.iter().find(|record| record.id == id);
            if let Some((id, _)) =
                keys.iter().find(|(id, key)| find(*id).is_some_and(|record| record.key != *key))
            {
                bail!(
                    "the ID {} belongs to a different sealing key of this service, so URLs that the file's key sealed \
                     cannot work here",
                    id.0
                );
            }
            let Some((id, key)) = keys.iter().find(|(id, _)| find(*id).is_none()) else {
                return self.apply(&records, keyring);
            };
            // If another node was first, its key is read and the next attempt continues.
            self.add(*id, *key, false, records.len()).await?;
        }
    }

    /// Reads the keys, unless that was done in the last `max_age`.
    ///
    /// # Errors
    /// Fails if they cannot be read. For a second after that, it fails without another attempt.
    pub(crate) async fn refresh(&self, keyring: &Keyring, max_age: Duration) -> Result<(), StoreError> {
        // Concurrent callers wait for one read.
        let mut last_read = self.last_read.lock().await;
        let now = self.env.monotonic();
        match &*last_read {
            Some(last) if last.succeeded && now.since(last.begun) < max_age => return Ok(()),
            Some(last) if !last.succeeded && now.since(last.begun) < MAX_AGE => {
                return Err(StoreError::Unavailable);
            }
            _ => {}
        }
        let read = async { self.apply(&self.records().await?, keyring) };
        let result = timeout(READ_TIMEOUT, read).await;
        let result = result.map_err(anyhow::Error::new).and_then(|result| result);
        *last_read = Some(LastRead { begun: now, succeeded: result.is_ok() });
        result.map_err(|error| {
            tracing::warn!("cannot read the sealing keys: {error:#}");
            StoreError::Unavailable
        })
    }

    async fn records(&self) -> anyhow::Result<Vec<KeyRecord>> {
        let rows = self.table.list().await.context("cannot read the sealing keys from the database")?;
        rows.into_iter().map(|(id, wrapped)| self.wrapping.unwrap(KeyId(id), wrapped)).collect()
    }

    async fn add(&self, id: KeyId, key: [u8; 32], seals: bool, expected: usize) -> anyhow::Result<bool> {
        self.add_record(&KeyRecord { id, key, seals, added: self.env.now() }, expected).await
    }

    async fn add_record(&self, record: &KeyRecord, expected: usize) -> anyhow::Result<bool> {
        let wrapped = self.wrapping.wrap(record, self.env.random()?)?;
        let added = self.table.add(record.id.0, wrapped, expected).await;
        added.context("cannot write a sealing key to the database")
    }

    /// Adds keys to the keyring, and makes the newest one current that every node has.
    fn apply(&self, records: &[KeyRecord], keyring: &Keyring) -> anyhow::Result<()> {
        for record in records {
            if !keyring.ids().any(|id| id == record.id) {
                keyring.insert(record.id, &record.key);
            }
        }
        let current = self.current(records).context(NO_KEY)?;
        if current != keyring.current() {
            keyring.set_current(current);
            tracing::info!(id = current.0, "a new sealing key is in use");
        }
        Ok(())
    }

    fn current(&self, records: &[KeyRecord]) -> Option<KeyId> {
        let now = self.env.now();
        let mut sealing = records.iter().filter(|record| record.seals);
        // The first one is created before there are URLs.
        let first = sealing.next()?;
        let active = sealing.rev().find(|record| record.added.after(ACTIVATION_DELAY) <= now);
        Some(active.unwrap_or(first).id)
    }
}

#[cfg(test)]
mod tests;
