//! The service within the test, where streams have any size and the store does what it is told: for what a process and
//! its sockets would make slow, or leave to chance.

use crate::agent::Agent;
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::DuplexStream;
use webpush_core::capability::{Capability, KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::message::{Draft, Message};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_server::drain::Drain;
use webpush_server::fresh;
use webpush_server::http::client_addr::ClientAddr;
use webpush_server::limits::Limits;
use webpush_server::monitor::websocket::{Arrival, run};
use webpush_server::service::{Service, Setup};
use webpush_store::memory::MemoryStore;
use webpush_store::{Applied, Detail, Done, Due, Durability, IdleCheck, Op, Snapshot, Store, StoreError};

/// A service on a store in memory.
pub(crate) struct LoopbackClient {
    pub(crate) service: Arc<Service>,
    pub(crate) store: Arc<Failing>,
    drain: Drain,
}

impl LoopbackClient {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let keyring = Keyring::new(&[(KeyId(1), [1; 32])]).unwrap();
        let store = Arc::new(Failing { store: MemoryStore::default(), fails: AtomicBool::new(false) });
        let setup = Setup::new(Arc::clone(&store) as Arc<dyn Store>, keyring, "https://push.example");
        let service = Service::new(Setup { limits, ..setup });
        Self { service, store, drain: Drain::default() }
    }

    /// A WebSocket that is open, on a stream that holds so many bytes.
    pub(crate) fn open(&self, bytes: usize) -> Agent<DuplexStream> {
        let (near, far) = tokio::io::duplex(bytes);
        let arrival = Arrival {
            peer: ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            may_subscribe: true,
            early: Vec::new(),
            place: None,
        };
        tokio::spawn(run(far, arrival, Arc::clone(&self.service), self.drain.draining()));
        Agent::on(near)
    }

    /// An agent with one channel, its `uaid` and its push URL.
    pub(crate) async fn registered(&self, bytes: usize) -> (Agent<DuplexStream>, String, String) {
        let mut agent = self.open(bytes);
        let uaid = agent.hello(None).await;
        let push = agent.register(0).await;
        (agent, uaid, push)
    }

    /// Stores a message for an hour, and lets every session look.
    pub(crate) async fn push(&self, url: &str, body: impl Into<Bytes>) -> Arc<Message> {
        self.push_with(url, Duration::from_secs(3600), body).await
    }

    pub(crate) async fn push_with(&self, url: &str, ttl: Duration, body: impl Into<Bytes>) -> Arc<Message> {
        let path = url.strip_prefix(&self.service.origin).unwrap();
        let Some(Capability::Push(agent, subscription)) = self.service.keyring.open(path) else {
            panic!("{url} is no push URL")
        };
        let now = fresh::now();
        let message = Draft {
            id: MessageId::from_bytes(fresh::random().unwrap()),
            agent,
            subscription,
            accepted: now,
            expires: now.after(ttl),
            urgency: Urgency::Normal,
            topic: None,
            encoding: Encoding::default(),
            key: KeyId(1),
            receipt: None,
            body: body.into(),
        };
        let applied = self.service.commit_one(Op::Append(message), Durability::Durable).await.unwrap();
        // On one thread every session that was woken runs before this goes on.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        match applied {
            Applied::Appended(appended) => appended.message,
            other => panic!("{other:?}"),
        }
    }
}

/// A store whose subscriptions can't be read when it is told so.
pub(crate) struct Failing {
    store: MemoryStore,
    fails: AtomicBool,
}

impl Failing {
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Release);
    }
}

impl Store for Failing {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        self.store.commit(ops, durability, done);
    }

    fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.store.inbox(id)
    }

    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Subscription>>, StoreError> {
        if self.fails.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        self.store.subscription(agent, id)
    }

    fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Arc<Subscription>>, StoreError> {
        self.store.channel(agent, channel)
    }

    fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.store.entry(entry)
    }

    fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.store.fetch(scope, after, now)
    }

    fn latest(&self, scope: &Scope, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.store.latest(scope, now)
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        self.store.due(now, limit)
    }

    fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        self.store.idle(check, limit)
    }

    fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        self.store.snapshot(detail)
    }

    fn close(&self) {
        self.store.close();
    }
}
