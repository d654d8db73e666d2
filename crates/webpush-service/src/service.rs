//! The state shared by all request handlers and connections.

mod commit_observer;
mod keys;
mod reads;

use crate::broadcasts::Broadcasts;
use crate::catch_up::CatchUp;
use crate::error::InternalError;
use crate::limits::Limits;
use crate::log_ids::LogIds;
use crate::memory_budget::MemoryBudget;
use crate::metrics::Metrics;
use crate::otlp::Spans;
use crate::page_memory::PageMemory;
use crate::rate_limits::RateLimits;
use crate::readiness::Readiness;
use crate::session_registry::{SessionHandle, SessionRegistry, TransportKind};
use crate::settling::SettleQueue;
use crate::shared_keys::SharedKeys;
use crate::subscribe_tokens::SubscribeTokens;
use crate::sweep::SweepTimer;
use crate::system;
use crate::trace::{self, Stage, Traces};
use crate::vapid_cache::VapidCache;
use crate::work_turns::WorkTurns;
use arc_swap::ArcSwap;
use commit_observer::ServiceObserver;
use std::sync::Arc;
use tokio::sync::oneshot;
use webpush_core::capability::{Capability, KeyId, Keyring};
use webpush_core::env::{EntropyError, Env, MonotonicTime};
use webpush_core::id::{EntryRef, InboxId, MessageId};
use webpush_core::protocol::autopush::Versions;
use webpush_core::session::Scope;
use webpush_core::time::Timestamp;
use webpush_store::postgres::ClusterNode;
use webpush_store::statistics::CellStatistics;
use webpush_store::{Applied, Backend, Durability, Notice, Op, Store as _, StoreError};

/// A running service.
pub struct Service {
    env: Env,
    store: Arc<Backend>,
    /// Seals capability URLs.
    pub keyring: Keyring,
    /// The source of sealing keys, if other nodes can add some.
    pub(crate) shared_keys: Option<Arc<SharedKeys>>,
    /// Log IDs.
    pub log_ids: LogIds,
    /// The public origin, without a path or trailing slash.
    pub origin: String,
    /// Verifies VAPID headers.
    pub vapid: VapidCache,
    /// Limits and timeouts. A reload replaces them, so load them anew after each `await`.
    pub limits: ArcSwap<Limits>,
    /// Rate limits.
    pub rate_limits: ArcSwap<RateLimits>,
    /// Restricts who may subscribe.
    pub subscribe_tokens: ArcSwap<SubscribeTokens>,
    /// Open sessions.
    pub registry: Arc<SessionRegistry>,
    /// Time of the next expiry.
    pub sweep_timer: Arc<SweepTimer>,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// Traces of recent messages.
    pub traces: Arc<Traces>,
    /// State for readiness checks.
    pub readiness: Arc<Readiness>,
    /// Tells sessions to read again after notices of other nodes were lost.
    pub(crate) catch_up: Arc<CatchUp>,
    /// Acknowledgements to be settled in batches.
    pub(crate) settling: Arc<SettleQueue>,
    /// Turns of work that occupies its thread for long.
    pub work_turns: WorkTurns,
    /// Memory of the process.
    pub memory: MemoryBudget,
    /// Memory of pages that sessions have read.
    pub page_memory: PageMemory,
    /// Broadcast versions.
    pub broadcasts: Broadcasts,
    /// OpenTelemetry spans.
    pub spans: Spans,
    /// The effective configuration, for the admin API.
    pub configuration: ArcSwap<ConfigSummary>,
}

/// The effective configuration, as administrators see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSummary {
    /// The configuration as TOML, with the source of each value and without secrets.
    pub toml: String,
    /// Changed settings that take effect after a restart.
    pub pending_restart: Vec<String>,
}

/// The parts of a service.
pub struct Setup {
    /// The clock and the source of random bytes.
    pub env: Env,
    /// The store.
    pub store: Arc<Backend>,
    /// Seals capability URLs.
    pub keyring: Keyring,
    /// The source of the keyring, if other nodes can add keys.
    pub shared_keys: Option<Arc<SharedKeys>>,
    /// The public origin.
    pub origin: String,
    /// Other origins that VAPID tokens may be issued for.
    pub other_origins: Vec<String>,
    /// Limits and timeouts.
    pub limits: Limits,
    /// Restricts who may subscribe.
    pub subscribe_tokens: SubscribeTokens,
    /// Size of the trace buffer.
    pub trace: trace::TraceConfig,
    /// OpenTelemetry spans.
    pub spans: Spans,
}

impl Setup {
    /// Creates a setup with the system's environment, default limits, open subscription and no spans.
    #[must_use]
    pub fn new(store: impl Into<Arc<Backend>>, keyring: Keyring, origin: impl Into<String>) -> Self {
        Self {
            env: system::env(),
            store: store.into(),
            keyring,
            shared_keys: None,
            origin: origin.into(),
            other_origins: Vec::new(),
            limits: Limits::default(),
            subscribe_tokens: SubscribeTokens::open(),
            trace: trace::TraceConfig::default(),
            spans: Spans::disabled(),
        }
    }
}

/// Splits a public origin into scheme, host and port, and its path, which is empty for most servers.
#[must_use]
pub fn split_origin(origin: &str) -> (&str, &str) {
    let host = origin.find("://").map_or(0, |at| at + 3);
    let path = origin[host..].find('/').map_or(origin.len(), |at| host + at);
    origin.split_at(path)
}

impl Service {
    /// Returns scheme, host and port of the public origin, without its path.
    #[must_use]
    pub fn site(&self) -> &str {
        split_origin(&self.origin).0
    }

    /// Returns the path of the public origin, without a slash at its end; empty for most servers.
    #[must_use]
    pub fn base_path(&self) -> &str {
        split_origin(&self.origin).1
    }

    /// Returns the path of a request below the path of the public origin.
    ///
    /// One that is not below it stays as it is, for health checks and clients on this machine.
    #[must_use]
    pub fn path_below<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(self.base_path()) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) | None => path,
        }
    }

    /// Creates a service and observes the commits of its store.
    #[must_use]
    pub fn new(setup: Setup) -> Arc<Self> {
        let Setup {
            env,
            store,
            keyring,
            shared_keys,
            origin,
            other_origins,
            limits,
            subscribe_tokens,
            trace,
            spans,
        } = setup;
        let traces = Arc::new(Traces::new(trace, env.clone()));
        let metrics = Arc::new(Metrics::new(env.now()));
        let registry =
            Arc::new(SessionRegistry::new(Arc::clone(&traces), store.is_shared().then(|| env.clone())));
        let catch_up = Arc::<CatchUp>::default();
        let sweep_timer = Arc::<SweepTimer>::default();
        let readiness = Arc::new(Readiness::new(env.clone()));
        store.watch(Arc::new(ServiceObserver {
            registry: Arc::clone(&registry),
            sweep_timer: Arc::clone(&sweep_timer),
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            traces: Arc::clone(&traces),
            spans: spans.clone(),
            env: env.clone(),
            catch_up: store.is_shared().then(|| Arc::clone(&catch_up)),
        }));
        Arc::new(Self {
            store,
            log_ids: LogIds::new(&keyring),
            keyring,
            shared_keys,
            vapid: VapidCache::new(split_origin(&origin).0.to_owned(), other_origins),
            origin,
            rate_limits: ArcSwap::from_pointee(RateLimits::new(&limits.rates, env.clone())),
            limits: ArcSwap::from_pointee(limits),
            subscribe_tokens: ArcSwap::from_pointee(subscribe_tokens),
            registry,
            traces,
            sweep_timer,
            metrics,
            readiness,
            catch_up,
            settling: Arc::default(),
            work_turns: WorkTurns::default(),
            memory: MemoryBudget::default(),
            page_memory: PageMemory::default(),
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

    /// Returns the current wall-clock time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Returns the current monotonic time.
    #[must_use]
    pub fn monotonic(&self) -> MonotonicTime {
        self.env.monotonic()
    }

    /// Returns the path of a capability URL, sealed with `key`.
    ///
    /// # Errors
    ///
    /// [`InternalError::MissingSealingKey`].
    pub fn path(&self, capability: Capability, key: KeyId) -> Result<String, InternalError> {
        self.keyring.path(&capability, key).ok_or(InternalError::MissingSealingKey)
    }

    /// Returns `N` cryptographically secure random bytes.
    ///
    /// # Errors
    /// Fails with [`EntropyError`] if the source fails.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        self.env.random()
    }

    /// Lists the databases of the store, if it has several.
    #[must_use]
    pub fn cells(&self) -> Vec<CellStatistics> {
        let cells = self.statistics().and_then(|store| store.cluster).map(|cluster| cluster.cells);
        cells.filter(|cells| cells.len() > 1).unwrap_or_default()
    }

    /// Returns the ID of a new inbox.
    ///
    /// # Errors
    /// Fails with [`EntropyError`] if the source of random bytes fails.
    pub fn new_inbox_id(&self) -> Result<InboxId, EntropyError> {
        Ok(self.place(InboxId::from_bytes(self.random()?)))
    }

    /// Returns the ID of a new inbox, made of a random one, in a part of the store that is open.
    #[must_use]
    pub fn place(&self, id: InboxId) -> InboxId {
        self.store.place(id)
    }

    /// Returns the ID of a new inbox, made of a random one, in the same part of the store as another inbox.
    pub(crate) fn place_beside(&self, id: InboxId, other: InboxId) -> InboxId {
        self.store.place_beside(id, other)
    }

    /// Replaces the limits. Open connections keep their timeouts; unchanged rates keep their buckets.
    pub fn replace_limits(&self, limits: Limits) {
        self.rate_limits.store(Arc::new(self.rate_limits.load().with_rates(&limits.rates)));
        self.limits.store(Arc::new(limits));
    }

    /// Lists the nodes of the cluster, if the store is a database.
    #[must_use]
    pub fn cluster_nodes(&self) -> Option<Vec<ClusterNode>> {
        self.store.cluster_nodes()
    }

    /// Sets the broadcast versions, and notifies autopush agents if they changed.
    pub fn set_broadcasts(&self, versions: Versions) {
        if versions != *self.broadcasts.versions() {
            self.broadcasts.replace(versions);
            self.registry.wake_websockets();
        }
    }

    /// Registers a session of an agent that has one at a time: it supersedes older ones on all nodes.
    #[must_use]
    pub fn register_exclusive(&self, scope: &Scope, transport: TransportKind) -> SessionHandle {
        let session = self.registry.register_exclusive(scope, transport);
        self.notify_other_nodes(|| Notice::Superseded(scope.inbox, transport as u8));
        session
    }

    /// Sends a notice to the other nodes. Returns false if there can be none.
    pub(crate) fn notify_other_nodes(&self, notice: impl FnOnce() -> Notice) -> bool {
        let is_shared = self.is_shared();
        if is_shared {
            self.store.notify(notice());
        }
        is_shared
    }

    /// Applies operations, and returns once they are as durable as requested.
    ///
    /// # Errors
    /// After a [`StoreError`] it is unknown which operations were applied.
    pub async fn commit(&self, ops: Vec<Op>, durability: Durability) -> Result<Vec<Applied>, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.submit(ops, durability, |result| drop(sender.send(result)));
        receiver.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Traces the acknowledgement of entries.
    pub fn record_acknowledged(&self, entries: &[EntryRef]) {
        for entry in entries {
            self.traces.record(entry.message, Stage::Acknowledged);
            tracing::debug!(
                agent = %self.log_ids.inbox(entry.inbox),
                message_log_id = %self.log_ids.message(entry.message),
                "message acknowledged"
            );
        }
    }

    /// Records that an entry was written to its agent's connection; `sent` is `None` for a receipt.
    pub fn record_sent(&self, sent: Option<SentMessage>, now: Timestamp) {
        self.metrics.messages.observe_delivery(sent.map(|sent| sent.accepted), now);
        if let Some(sent) = sent {
            self.traces.record(sent.message, Stage::Written);
            tracing::debug!(message_log_id = %self.log_ids.message(sent.message), "message delivered");
            self.spans.record_written(sent.message);
        }
    }

    /// Applies operations without waiting for the result.
    pub fn commit_detached(&self, ops: Vec<Op>, durability: Durability) {
        self.submit(ops, durability, drop);
    }

    /// Applies operations, and calls `done` once they are as durable as requested, perhaps on this thread.
    pub(crate) fn submit(
        &self,
        ops: Vec<Op>,
        durability: Durability,
        done: impl FnOnce(Result<Vec<Applied>, StoreError>) + Send + 'static,
    ) {
        self.store.commit(ops, durability, Box::new(done));
    }

    /// Applies one operation, like [`Service::commit`].
    ///
    /// # Errors
    /// After a [`StoreError`] it is unknown whether the operation was applied.
    pub async fn commit_one(&self, op: Op, durability: Durability) -> Result<Applied, StoreError> {
        self.commit(vec![op], durability).await?.pop().ok_or(StoreError::Unavailable)
    }
}

/// A message that was written to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The message.
    pub message: MessageId,
    /// When it was accepted.
    pub accepted: Timestamp,
}
