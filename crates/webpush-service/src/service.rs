//! What every request handler shares: the store, the keys, the limits, and who is listening.

mod commit_feed;
mod reads;

use crate::broadcasts::Broadcasts;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::otlp::Spans;
use crate::pseudonyms::Pseudonyms;
use crate::rate_limits::RateLimits;
use crate::readiness::Readiness;
use crate::session_registry::SessionRegistry;
use crate::settling::Settling;
use crate::subscribe_tokens::SubscribeTokens;
use crate::sweep::SweepTimer;
use crate::system;
use crate::trace::{self, Stage, Traces};
use crate::vapid::VapidCache;
use arc_swap::ArcSwap;
use commit_feed::CommitFeed;
use std::sync::Arc;
use tokio::sync::oneshot;
use webpush_core::capability::Keyring;
use webpush_core::env::{EntropyError, Env, MonotonicTime};
use webpush_core::id::{EntryRef, MessageId};
use webpush_core::protocol::autopush::Versions;
use webpush_core::time::Timestamp;
use webpush_store::{Applied, Backend, Durability, Op, Store as _, StoreError};

/// One running service.
pub struct Service {
    env: Env,
    store: Arc<Backend>,
    /// What URLs are sealed with.
    pub keyring: Keyring,
    /// What things are called in the log.
    pub pseudonyms: Pseudonyms,
    /// The public origin, as it goes into URLs: no path, no slash at the end.
    pub origin: String,
    /// Finds out who sends.
    pub vapid: VapidCache,
    /// The bounds in force. They may be replaced while the service runs, so nobody keeps what is loaded over a wait.
    pub limits: ArcSwap<Limits>,
    /// How often something may be asked.
    pub rate_limits: ArcSwap<RateLimits>,
    /// Who may subscribe.
    pub subscribe_tokens: ArcSwap<SubscribeTokens>,
    /// Who is listening.
    pub registry: Arc<SessionRegistry>,
    /// When the next message expires.
    pub sweep_timer: Arc<SweepTimer>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The way of each message that was accepted lately.
    pub traces: Arc<Traces>,
    /// Whether it can work.
    pub readiness: Arc<Readiness>,
    /// Acknowledgements that are to be settled soon.
    pub settling: Settling,
    /// The versions of broadcasts.
    pub broadcasts: Broadcasts,
    /// What a collector is told.
    pub spans: Spans,
    /// What the operator set, for the operator to see.
    pub configuration: ArcSwap<ConfigSummary>,
}

/// The configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSummary {
    /// As a file would have it, with the source of each value and without secrets.
    pub toml: String,
    /// The settings of it that take effect at the next start.
    pub pending_restart: Vec<String>,
}

/// What a service is put together from.
pub struct Setup {
    /// The clock and the source of random bytes.
    pub env: Env,
    /// Where inboxes live.
    pub store: Arc<Backend>,
    /// What URLs are sealed with.
    pub keyring: Keyring,
    /// The public origin.
    pub origin: String,
    /// The bounds in force.
    pub limits: Limits,
    /// Who may subscribe.
    pub subscribe_tokens: SubscribeTokens,
    /// How much is kept of the way of messages.
    pub trace: trace::TraceConfig,
    /// What a collector is told.
    pub spans: Spans,
}

impl Setup {
    /// Creates a setup with defaults for all else: the environment of this machine, no spans.
    #[must_use]
    pub fn new(store: impl Into<Arc<Backend>>, keyring: Keyring, origin: impl Into<String>) -> Self {
        Self {
            env: system::env(),
            store: store.into(),
            keyring,
            origin: origin.into(),
            limits: Limits::default(),
            subscribe_tokens: SubscribeTokens::open(),
            trace: trace::TraceConfig::default(),
            spans: Spans::disabled(),
        }
    }
}

impl Service {
    /// Puts a service together.
    #[must_use]
    pub fn new(setup: Setup) -> Arc<Self> {
        let Setup { env, store, keyring, origin, limits, subscribe_tokens, trace, spans } = setup;
        let traces = Arc::new(Traces::new(trace, env.clone()));
        let metrics = Arc::new(Metrics::new(env.now()));
        let registry = Arc::new(SessionRegistry::new(Arc::clone(&traces)));
        let sweep_timer = Arc::<SweepTimer>::default();
        let readiness = Arc::new(Readiness::new(env.clone()));
        store.watch(Arc::new(CommitFeed {
            registry: Arc::clone(&registry),
            sweep_timer: Arc::clone(&sweep_timer),
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            traces: Arc::clone(&traces),
            spans: spans.clone(),
            env: env.clone(),
        }));
        Arc::new(Self {
            store,
            pseudonyms: Pseudonyms::new(&keyring),
            keyring,
            vapid: VapidCache::new(origin.clone()),
            origin,
            rate_limits: ArcSwap::from_pointee(RateLimits::new(&limits.rates, env.clone())),
            limits: ArcSwap::from_pointee(limits),
            subscribe_tokens: ArcSwap::from_pointee(subscribe_tokens),
            registry,
            traces,
            sweep_timer,
            metrics,
            readiness,
            settling: Settling::default(),
            broadcasts: Broadcasts::default(),
            configuration: ArcSwap::default(),
            spans,
            env,
        })
    }

    /// Returns the clock and the source of random bytes.
    #[must_use]
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// Returns the present wall-clock time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Returns the present monotonic time.
    #[must_use]
    pub fn monotonic(&self) -> MonotonicTime {
        self.env.monotonic()
    }

    /// Returns `N` random bytes of a cryptographic source.
    ///
    /// # Errors
    /// [`EntropyError`] if the source has none to give; then no id can be made.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        self.env.random()
    }

    /// Puts other bounds in the place of these. What is open keeps the times that it began with; rates that stay the same
    /// keep their counts.
    pub fn replace_limits(&self, limits: Limits) {
        self.rate_limits.store(Arc::new(self.rate_limits.load().with_rates(&limits.rates)));
        self.limits.store(Arc::new(limits));
    }

    /// Tells agents of other versions of broadcasts, if they are others.
    pub fn set_broadcasts(&self, versions: Versions) {
        if versions != *self.broadcasts.versions() {
            self.broadcasts.replace(versions);
            self.registry.wake_websockets();
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

    /// An agent has said that it has these.
    pub fn record_acknowledged(&self, entries: &[EntryRef]) {
        entries.iter().for_each(|entry| self.traces.record(entry.message, Stage::Acknowledged));
    }

    /// A message was handed to its agent's connection; a receipt is nothing here.
    pub fn record_sent(&self, sent: Option<SentMessage>, now: Timestamp) {
        self.metrics.messages.observe_delivery(sent.map(|sent| sent.accepted), now);
        if let Some(sent) = sent {
            self.traces.record(sent.message, Stage::Written);
            self.spans.record_written(sent.message);
        }
    }

    /// Applies operations of which nobody waits for the end.
    pub fn commit_detached(&self, ops: Vec<Op>, durability: Durability) {
        self.submit(ops, durability, drop);
    }

    /// Applies operations, and calls `answer` on the store's thread when they are as durable as asked.
    pub(crate) fn submit(
        &self,
        ops: Vec<Op>,
        durability: Durability,
        answer: impl FnOnce(Result<Vec<Applied>, StoreError>) + Send + 'static,
    ) {
        self.store.commit(ops, durability, Box::new(answer));
    }

    /// [`Service::commit`] of one operation.
    ///
    /// # Errors
    /// As there.
    pub async fn commit_one(&self, op: Op, durability: Durability) -> Result<Applied, StoreError> {
        self.commit(vec![op], durability).await?.pop().ok_or(StoreError::Unavailable)
    }
}

/// A message that was handed to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// Which one.
    pub message: MessageId,
    /// When it was accepted.
    pub accepted: Timestamp,
}
