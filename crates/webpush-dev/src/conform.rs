//! Push services for conformance checks of their clients.

pub mod agent;
pub mod sender;

use anyhow::Context as _;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::env::Env;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::Setup;
use webpush_store::memory::MemoryStore;

/// Returns the setup of a service in memory, with a sealing key of its own.
fn memory_service(env: Env, origin: String) -> anyhow::Result<Setup> {
    let sealing_key = env.random().context("cannot create a sealing key")?;
    let keyring =
        Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), sealing_key)]).context("the sealing key is unusable")?;
    Ok(Setup { env, ..Setup::new(MemoryStore::default(), keyring, origin) })
}
