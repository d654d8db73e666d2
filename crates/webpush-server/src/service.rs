//! What every request handler shares: the store, the keys, the limits, and who is listening.

use crate::broadcasts::Broadcasts;
use crate::gateway::Gateway;
use crate::http::problem::{ErrorStyle, VapidErrorStatus};
use crate::rate_limits::RateLimits;
use crate::settling::Settling;
use crate::subscribe_tokens::SubscribeTokens;
use crate::sweep::SweepTimer;
use crate::vapid::VapidCache;
use crate::wake::Registry;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::oneshot;
use webpush_core::capability::Keyring;
use webpush_core::dialect::autopush::Versions;
use webpush_core::id::{InboxId, SubscriptionId};
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
    /// How errors are worded.
    pub error_style: ErrorStyle,
    /// Finds out who sends.
    pub vapid: VapidCache,
    /// The bounds in force. They may be replaced while the service runs, so nobody keeps what is loaded over a wait.
    pub limits: ArcSwap<Limits>,
    /// How often something may be asked.
    pub rate_limits: ArcSwap<RateLimits>,
    /// Who may subscribe.
    pub subscribe_tokens: ArcSwap<SubscribeTokens>,
    /// What Matrix homeservers may have delivered.
    pub gateway: Gateway,
    /// Who is listening.
    pub registry: Arc<Registry>,
    /// When the next message expires.
    pub sweep_timer: Arc<SweepTimer>,
    /// What quotas have cost.
    pub drops: Arc<Drops>,
    /// Acknowledgements that are to be settled soon.
    pub settling: Settling,
    /// The versions of broadcasts.
    pub broadcasts: Broadcasts,
    /// A commit has failed since the last one that did not.
    store_was_down: Arc<AtomicBool>,
}

/// What a service is put together from.
pub struct Setup {
    /// Where inboxes live.
    pub store: Arc<dyn Store>,
    /// What URLs are sealed with.
    pub keyring: Keyring,
    /// The public origin.
    pub origin: String,
    /// The bounds in force.
    pub limits: Limits,
    /// Who may subscribe.
    pub subscribe_tokens: SubscribeTokens,
    /// What invalid VAPID is answered.
    pub vapid_status: VapidErrorStatus,
    /// What Matrix homeservers may have delivered.
    pub gateway: Gateway,
}

impl Setup {
    /// What can't be left out; the rest as it is by default, but without a gateway.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keyring: Keyring, origin: impl Into<String>) -> Self {
        Self {
            store,
            keyring,
            origin: origin.into(),
            limits: Limits::default(),
            subscribe_tokens: SubscribeTokens::not_needed(),
            vapid_status: VapidErrorStatus::default(),
            gateway: Gateway::Off,
        }
    }
}

impl Service {
    /// Puts a service together.
    #[must_use]
    pub fn new(setup: Setup) -> Arc<Self> {
        let Setup { store, keyring, origin, limits, subscribe_tokens, vapid_status, gateway } = setup;
        Arc::new(Self {
            store,
            keyring,
            error_style: ErrorStyle { origin: origin.clone(), vapid_status },
            vapid: VapidCache::new(origin.clone()),
            origin,
            rate_limits: ArcSwap::from_pointee(RateLimits::new(&limits.rates)),
            limits: ArcSwap::from_pointee(limits),
            subscribe_tokens: ArcSwap::from_pointee(subscribe_tokens),
            gateway,
            registry: Arc::default(),
            sweep_timer: Arc::default(),
            drops: Arc::default(),
            settling: Settling::default(),
            broadcasts: Broadcasts::default(),
            store_was_down: Arc::default(),
        })
    }

    /// Puts other bounds in the place of these. What is open keeps the times that it began with; rates that stay the same
    /// keep their counts.
    pub fn replace_limits(&self, limits: Limits) {
        self.rate_limits.store(Arc::new(self.rate_limits.load().changed(&limits.rates)));
        self.limits.store(Arc::new(limits));
    }

    /// Tells agents of other versions of broadcasts, if they are others.
    pub fn broadcast(&self, versions: Versions) {
        if versions != *self.broadcasts.versions() {
            self.broadcasts.replace(versions);
            self.registry.wake_all();
        }
    }

    /// Applies operations and returns when they are as durable as asked.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not known which operations were applied.
    pub async fn commit(&self, ops: Vec<Op>, durability: Durability) -> Result<Vec<Applied>, StoreError> {
        let (answer, answered) = oneshot::channel();
        // Nobody may be waiting any more; what was done is done.
        self.submit(ops, durability, |result| drop(answer.send(result)));
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Applies operations of which nobody waits for the end.
    pub fn commit_unwatched(&self, ops: Vec<Op>, durability: Durability) {
        self.submit(ops, durability, drop);
    }

    /// Sessions are told by the store's thread, not by the caller: a sender that hangs up between the commit and its
    /// answer must not leave a stored message unannounced.
    fn submit(
        &self,
        ops: Vec<Op>,
        durability: Durability,
        answer: impl FnOnce(Result<Vec<Applied>, StoreError>) + Send + 'static,
    ) {
        let (registry, sweep_timer) = (Arc::clone(&self.registry), Arc::clone(&self.sweep_timer));
        let (was_down, drops) = (Arc::clone(&self.store_was_down), Arc::clone(&self.drops));
        let removals: Vec<_> = ops.iter().map(removal).collect();
        let done = move |result: Result<Vec<Applied>, StoreError>| {
            if let Ok(applied) = &result {
                if was_down.swap(false, Ordering::AcqRel) {
                    // What failed may have been written all the same, and nobody was told of it.
                    registry.announce_anything();
                    sweep_timer.look_again();
                }
                registry.announce(applied);
                drops.announce(applied);
                sweep_timer.announce(applied);
                let removed = |change: &Applied| matches!(change, Applied::Removed(_));
                let done = removals.into_iter().zip(applied).filter(|(_, change)| removed(change));
                done.filter_map(|(removal, _)| removal).for_each(|(inbox, only)| registry.end(inbox, only));
            } else if result != Err(StoreError::Busy) {
                was_down.store(true, Ordering::Release);
            }
            answer(result);
        };
        self.store.commit(ops, durability, Box::new(done));
    }

    /// [`Service::commit`] of one operation.
    ///
    /// # Errors
    /// As there.
    pub async fn commit_one(&self, op: Op, durability: Durability) -> Result<Applied, StoreError> {
        self.commit(vec![op], durability).await?.pop().ok_or(StoreError::Unavailable)
    }
}

/// How many messages and receipts were dropped for the quota of their inbox (RFC 8030 §7.2).
#[derive(Default)]
pub struct Drops {
    messages: AtomicU64,
    receipts: AtomicU64,
}

impl Drops {
    fn announce(&self, applied: &[Applied]) {
        for change in applied {
            let (messages, receipts) = match change {
                Applied::Appended(appended) => (appended.dropped.len(), appended.receipts_dropped),
                Applied::Settled(settled) => (0, settled.receipts_dropped),
                Applied::Removed(removed) => (0, removed.receipts_dropped),
                Applied::Created
                | Applied::Touched
                | Applied::Refused
                | Applied::Taken
                | Applied::Missing => continue,
            };
            self.messages.fetch_add(messages as u64, Ordering::Relaxed);
            self.receipts.fetch_add(receipts as u64, Ordering::Relaxed);
        }
    }

    /// The numbers since they were last taken.
    #[must_use]
    pub fn take(&self) -> (u64, u64) {
        (self.messages.swap(0, Ordering::Relaxed), self.receipts.swap(0, Ordering::Relaxed))
    }
}

/// Whose sessions an operation ends, if it finds what it removes (RFC 8030 §7.3).
fn removal(op: &Op) -> Option<(InboxId, Option<SubscriptionId>)> {
    match op {
        Op::Unsubscribe(agent, id) => Some((*agent, Some(*id))),
        Op::RemoveInbox(inbox) | Op::RemoveIdle(inbox, _) => Some((*inbox, None)),
        Op::CreateInbox(_) | Op::Subscribe(_) | Op::Append(_) | Op::Settle(..) | Op::Touch(..) => None,
    }
}
