//! What every request handler shares: the store, the keys, the limits, and who is listening.

use crate::rate_limits::RateLimits;
use crate::subscribe_tokens::SubscribeTokens;
use crate::sweep::SweepTimer;
use crate::wake::Registry;
use std::sync::Arc;
use tokio::sync::oneshot;
use webpush_core::capability::{Capability, KeyId, Keyring};
use webpush_core::limits::Limits;
use webpush_store::{Applied, Durability, Op, Store, StoreError};

/// One running service.
pub struct Service {
    /// Where inboxes live.
    pub store: Arc<dyn Store>,
    /// What URLs are sealed with.
    pub keyring: Keyring,
    /// The public origin, as it goes into URLs: no path, no slash at the end.
    pub origin: String,
    /// The bounds in force.
    pub limits: Limits,
    /// How often something may be asked.
    pub rate_limits: RateLimits,
    /// Who may subscribe.
    pub subscribe_tokens: SubscribeTokens,
    /// Who is listening.
    pub registry: Arc<Registry>,
    /// When the next message expires.
    pub sweep_timer: Arc<SweepTimer>,
}

impl Service {
    /// Puts a service together.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        origin: String,
        limits: Limits,
        subscribe_tokens: SubscribeTokens,
    ) -> Arc<Self> {
        let rate_limits = RateLimits::new(&limits.rates);
        let (registry, sweep_timer) = (Arc::default(), Arc::default());
        Arc::new(Self {
            store,
            keyring,
            origin,
            limits,
            rate_limits,
            subscribe_tokens,
            registry,
            sweep_timer,
        })
    }

    /// Applies operations and returns when they are as durable as asked.
    ///
    /// Sessions are told by the store's thread, not by the caller: a sender that hangs up between the commit and its
    /// answer must not leave a stored message unannounced.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not known which operations were applied.
    pub async fn commit(&self, ops: Vec<Op>, durability: Durability) -> Result<Vec<Applied>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let (registry, sweep_timer) = (Arc::clone(&self.registry), Arc::clone(&self.sweep_timer));
        let done = move |result: Result<Vec<Applied>, StoreError>| {
            if let Ok(applied) = &result {
                registry.announce(applied);
                sweep_timer.announce(applied);
            }
            // Nobody may be waiting any more; what was done is done.
            let _ = answer.send(result);
        };
        self.store.commit(ops, durability, Box::new(done));
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// [`Service::commit`] of one operation.
    ///
    /// # Errors
    /// As there.
    pub async fn commit_one(&self, op: Op, durability: Durability) -> Result<Applied, StoreError> {
        self.commit(vec![op], durability).await?.pop().ok_or(StoreError::Unavailable)
    }

    /// The absolute URL of a capability; `None` when its sealing key is not held any more.
    #[must_use]
    pub fn url(&self, capability: &Capability, key: KeyId) -> Option<String> {
        Some(format!("{}{}", self.origin, self.keyring.path(capability, key)?))
    }
}
