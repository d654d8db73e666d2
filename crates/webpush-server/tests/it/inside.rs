//! The server in the process of the test, with streams of any size and a scripted store.
//!
//! For tests that a real process and its sockets would make slow or flaky.

use crate::agent::Agent;
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use webpush_core::capability::{Capability, KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::env::{Clock, Env};
use webpush_core::id::MessageId;
use webpush_core::message::{Draft, Message};
use webpush_core::urgency::Urgency;
use webpush_http::delivery::websocket::{Handshake, run};
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Drain;
use webpush_service::limits::Limits;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_service::system::SystemEntropy;
use webpush_store::memory::{Faults, MemoryStore};
use webpush_store::{Applied, Durability, Op};

/// A service on a store in memory.
pub(crate) struct LoopbackClient {
    pub(crate) service: Arc<Service>,
    pub(crate) faults: Faults,
    server: Arc<HttpServer>,
    drain: Drain,
}

impl LoopbackClient {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
        let store = MemoryStore::default();
        let faults = store.faults();
        let setup = Setup::new(store, keyring, "https://push.example");
        Self::on(Setup { limits, ..setup }, faults)
    }

    /// With a clock of the test.
    pub(crate) fn at(clock: Arc<dyn Clock>) -> Self {
        let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
        let store = MemoryStore::default();
        let faults = store.faults();
        let setup = Setup::new(store, keyring, "https://push.example");
        Self::on(Setup { env: Env::new(clock, Arc::new(SystemEntropy)), ..setup }, faults)
    }

    fn on(setup: Setup, faults: Faults) -> Self {
        let service = Service::new(setup);
        let server = HttpServer::new(Arc::clone(&service), HttpConfig::default());
        Self { service, server, faults, drain: Drain::default() }
    }

    /// Listens on a free port, and returns its address.
    pub(crate) async fn listen(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Connections::new(None, NetworkLimit::Off, Arc::clone(&self.service.metrics));
        let front = Front {
            connections: Arc::new(connections),
            proxy_protocol: false,
            tls: None,
            protocol: FrontProtocol::Http,
        };
        drop(listen::start(listener, front, Arc::clone(&self.server), self.drain.draining()));
        address
    }

    /// Opens a WebSocket on a stream with a buffer of `bytes`.
    pub(crate) fn open(&self, bytes: usize) -> Agent<DuplexStream> {
        let (near, far) = tokio::io::duplex(bytes);
        let handshake = Handshake {
            client: ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            may_subscribe: true,
            early: Vec::new(),
            permit: None,
        };
        tokio::spawn(run(far, handshake, Arc::clone(&self.server), self.drain.draining()));
        Agent::on(near)
    }

    /// An agent with one channel, its `uaid` and its push URL.
    pub(crate) async fn registered(&self, bytes: usize) -> (Agent<DuplexStream>, String, String) {
        let mut agent = self.open(bytes);
        let uaid = agent.hello(None).await;
        let push = agent.register(0).await;
        (agent, uaid, push)
    }

    /// Stores a message with a TTL of an hour, and notifies every session.
    pub(crate) async fn push(&self, url: &str, body: impl Into<Bytes>) -> Arc<Message> {
        self.push_with(url, Duration::from_secs(3600), body).await
    }

    pub(crate) async fn push_with(&self, url: &str, ttl: Duration, body: impl Into<Bytes>) -> Arc<Message> {
        let path = url.strip_prefix(&self.service.origin).unwrap();
        let Some(Capability::Push(agent, subscription)) = self.service.keyring.open(path) else {
            panic!("{url} is no push URL")
        };
        let now = self.service.now();
        let message = Draft {
            id: MessageId::from_bytes(self.service.random().unwrap()),
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
        // On one thread, every notified session runs before this task continues.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        match applied {
            Applied::Appended(appended) => appended.message,
            other => panic!("{other:?}"),
        }
    }
}
