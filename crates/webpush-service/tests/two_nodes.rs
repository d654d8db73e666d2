//! Two services on one store, which get notices of each other's commits.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::publish::PublishRequest;
use webpush_core::session::{Command, End, Input, Scope, Session, WaitMode};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_service::client_addr::ClientAddr;
use webpush_service::publish::{self, Published};
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_service::session_registry::{SessionHandle, TransportKind};
use webpush_service::trace::state::message_state;
use webpush_service::vapid_cache::TokenAudience;
use webpush_service::{catch_up, settling, sweep};
use webpush_store::memory::{Faults, MemoryStore};
use webpush_store::{Applied, Durability, Op};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const ORIGIN: &str = "https://push.example";

/// Two nodes, with an agent that has a subscription.
struct Cluster {
    here: Arc<Service>,
    there: Arc<Service>,
    faults: Faults,
}

async fn cluster() -> Cluster {
    let store = MemoryStore::shared();
    let faults = store.faults();
    let keyring = || Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let there = Service::new(Setup::new(store.handle(), keyring(), ORIGIN));
    let here = Service::new(Setup::new(store, keyring(), ORIGIN));
    let (agent, id, created, key) = (AGENT, SUBSCRIPTION, here.now(), KeyId(1));
    let subscription = Subscription { agent, id, created, key, sender: None, protocol: Protocol::Rfc8030 };
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created, key };
    let ops = vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)];
    here.commit(ops, Durability::Durable).await.unwrap();
    Cluster { here, there, faults }
}

fn request(ttl: u64) -> PublishRequest {
    PublishRequest {
        ttl: Duration::from_secs(ttl),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        wants_receipt: false,
        receipt_subscription: None,
        body: Bytes::new(),
    }
}

async fn push_request(service: &Service, request: PublishRequest) -> Published {
    let client = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let subscription = publish::find(service, &client, AGENT, SUBSCRIPTION).await.unwrap();
    publish::accept(service, &client, &HeaderMap::new(), TokenAudience::Own, &subscription, request)
        .await
        .unwrap()
}

async fn push(service: &Service, ttl: u64) -> EntryRef {
    push_request(service, request(ttl)).await.entry
}

/// A session, and the entries that it has delivered.
struct Connected {
    service: Arc<Service>,
    handle: SessionHandle,
    session: Session,
    end: Option<End>,
}

fn scope(subscription: Option<SubscriptionId>) -> Scope {
    Scope { inbox: AGENT, subscription, min_urgency: Urgency::VeryLow }
}

impl Connected {
    async fn open(service: &Arc<Service>, transport: TransportKind, scope: Scope) -> Self {
        let handle = match transport {
            TransportKind::Autopush | TransportKind::Chromium => {
                service.register_exclusive(&scope, transport)
            }
            _ => service.registry.register(&scope, transport).unwrap(),
        };
        let session = Session::new(scope, WaitMode::Indefinite, None);
        let mut connected = Self { service: Arc::clone(service), handle, session, end: None };
        connected.run().await;
        connected
    }

    /// Handles what the session was told, and returns the messages that it delivers.
    async fn receive(&mut self) -> Vec<MessageId> {
        let wakeup = self.handle.take_if(|_| true).unwrap();
        if wakeup.removed {
            self.session.handle(Input::Gone, self.service.now());
        }
        if wakeup.superseded {
            self.session.handle(Input::Superseded, self.service.now());
        }
        if let Some(update) = wakeup.update {
            self.session.handle(Input::Update(*update), self.service.now());
        }
        self.run().await
    }

    async fn run(&mut self) -> Vec<MessageId> {
        let mut delivered = Vec::new();
        while let Some(command) = self.session.next_command() {
            let now = self.service.now();
            match command {
                Command::Fetch { after } => {
                    let page = self.service.fetch(None, self.session.scope(), after, now).await.unwrap();
                    self.session.handle(Input::Fetched(page), now);
                }
                Command::Deliver(entry) => {
                    delivered.push(entry.entry_ref().message);
                    self.session.handle(Input::Sent { confirmed: false }, now);
                }
                Command::Settle { .. } => {}
                Command::Finish(end) => self.end = Some(end),
            }
        }
        delivered
    }

    /// Waits until the session delivers messages or ends. For tests with paused time.
    async fn next(&mut self) -> Vec<MessageId> {
        loop {
            let delivered = self.receive().await;
            if !delivered.is_empty() || self.end.is_some() {
                return delivered;
            }
            let notified = std::future::poll_fn(|cx| self.handle.poll_notified(cx));
            timeout(Duration::from_secs(60), notified).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_push_at_one_node_reaches_a_session_at_the_other() {
    let Cluster { here, there, .. } = cluster().await;
    let mut session = Connected::open(&there, TransportKind::Rfc8030, scope(None)).await;
    let first = push(&here, 60).await;
    assert_eq!(session.receive().await, [first.message]);
    let (second, third) = (push(&there, 60).await, push(&here, 60).await);
    assert_eq!(session.receive().await, [second.message, third.message]);
    assert_eq!(session.receive().await, []);
    let trace = here.traces.find(first.message).unwrap();
    assert_eq!(
        message_state(&here, &trace).await.reason.as_deref(),
        Some("the agent is not connected to this node")
    );
    there.commit_one(Op::Settle(first, Outcome::Delivered), Durability::Durable).await.unwrap();
    let state = message_state(&here, &trace).await;
    assert_eq!((state.state, state.is_final), ("ended", true));
}

/// The notice of a message may come after the event of a later one, or be lost.
#[tokio::test]
async fn messages_of_both_nodes_are_delivered_in_order() {
    let Cluster { here, there, faults } = cluster().await;
    let mut session = Connected::open(&there, TransportKind::Events, scope(None)).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        faults.lose_notices(true);
        expected.push(push(&here, 60).await.message);
        expected.push(push(&there, 60).await.message);
        assert_eq!(session.receive().await, expected);
        expected.clear();
        faults.lose_notices(false);
    }
}

/// RFC 8030 §5.4: a message that was replaced through another node is not sent from a pending update.
#[tokio::test]
async fn a_waiting_message_that_was_replaced_elsewhere_is_not_sent() {
    let Cluster { here, there, .. } = cluster().await;
    let mut session = Connected::open(&there, TransportKind::Events, scope(None)).await;
    let topical = || PublishRequest { topic: Topic::parse(b"news"), ..request(60) };
    push_request(&there, topical()).await;
    let newer = push_request(&here, topical()).await.entry.message;
    assert_eq!(session.receive().await, [newer]);
}

#[tokio::test]
async fn a_message_with_ttl_0_reaches_all_nodes() {
    let Cluster { here, there, .. } = cluster().await;
    let nobody = push(&here, 0).await;
    let trace = here.traces.find(nobody.message).unwrap();
    assert_eq!((message_state(&here, &trace).await.state, trace.outcome), ("offered", None));
    let mut session = Connected::open(&there, TransportKind::Rfc8030, scope(None)).await;
    let mut other = Connected::open(&here, TransportKind::Rfc8030, scope(None)).await;
    let live = push(&here, 0).await.message;
    assert_eq!((session.receive().await, other.receive().await), (vec![live], vec![live]));
}

/// An agent with one session has it at this node: no other has to hear of its messages.
#[tokio::test]
async fn a_message_with_ttl_0_for_an_exclusive_session_stays_at_its_node() {
    let Cluster { here, there, .. } = cluster().await;
    let mut local = Connected::open(&here, TransportKind::Autopush, scope(None)).await;
    let mut remote = Connected::open(&there, TransportKind::Events, scope(None)).await;
    let live = push(&here, 0).await.message;
    assert_eq!((local.receive().await, remote.receive().await), (vec![live], vec![]));
}

/// A stored message with TTL 0 is left to the sweep, because another node may deliver it.
#[tokio::test]
async fn a_stored_message_with_ttl_0_reaches_the_other_node_and_then_expires() {
    let Cluster { here, there, .. } = cluster().await;
    let mut session = Connected::open(&there, TransportKind::Rfc8030, scope(None)).await;
    let topical = PublishRequest { topic: Topic::parse(b"news"), ..request(0) };
    let entry = push_request(&here, topical).await.entry;
    assert_eq!(session.receive().await, [entry.message]);
    assert!(here.entry(&entry).await.unwrap().is_some());
    let due = here.due(here.now().after(Duration::from_secs(60)), 10).await.unwrap();
    assert_eq!(due.entries, [entry]);
}

#[tokio::test]
async fn a_newer_session_at_another_node_supersedes_only_that_of_its_kind() {
    let Cluster { here, there, .. } = cluster().await;
    let mut older = Connected::open(&there, TransportKind::Autopush, scope(None)).await;
    let mut events = Connected::open(&there, TransportKind::Events, scope(None)).await;
    let mut newer = Connected::open(&here, TransportKind::Autopush, scope(None)).await;
    for session in [&mut older, &mut events, &mut newer] {
        session.receive().await;
    }
    assert_eq!((older.end, events.end, newer.end), (Some(End::Nothing), None, None));
}

#[tokio::test]
async fn a_removal_at_one_node_ends_the_sessions_at_the_other() {
    let Cluster { here, there, .. } = cluster().await;
    let mut all = Connected::open(&there, TransportKind::Rfc8030, scope(None)).await;
    let mut one = Connected::open(&there, TransportKind::Rfc8030, scope(Some(SUBSCRIPTION))).await;
    here.unsubscribe(AGENT, SUBSCRIPTION).await.unwrap();
    all.receive().await;
    one.receive().await;
    assert_eq!((all.end, one.end), (None, Some(End::Gone)));
    here.remove_inbox(AGENT).await.unwrap();
    all.receive().await;
    assert_eq!(all.end, Some(End::Gone));
}

/// A node that was cut off reads everything again, and ends the sessions of what was removed.
#[tokio::test(start_paused = true)]
async fn lost_notices_are_made_up_for() {
    let Cluster { here, there, faults } = cluster().await;
    let task = catch_up::start(Arc::clone(&there));
    let mut all = Connected::open(&there, TransportKind::Rfc8030, scope(None)).await;
    let mut one = Connected::open(&there, TransportKind::Rfc8030, scope(Some(SUBSCRIPTION))).await;
    faults.lose_notices(true);
    let message = push(&here, 60).await.message;
    assert_eq!(all.receive().await, [], "the notice is lost");
    faults.lose_notices(false);
    assert_eq!((all.next().await, one.next().await), (vec![message], vec![message]));
    faults.lose_notices(true);
    here.unsubscribe(AGENT, SUBSCRIPTION).await.unwrap();
    faults.lose_notices(false);
    assert_eq!((one.next().await, one.end), (vec![], Some(End::Gone)));
    faults.lose_notices(true);
    here.remove_inbox(AGENT).await.unwrap();
    faults.lose_notices(false);
    assert_eq!((all.next().await, all.end), (vec![], Some(End::Gone)));
    task.abort();
}

/// A browser without subscriptions has no inbox, and must stay connected.
#[tokio::test(start_paused = true)]
async fn a_new_agent_is_not_taken_for_a_removed_one() {
    let Cluster { here, there, faults } = cluster().await;
    let task = catch_up::start(Arc::clone(&there));
    let inbox = InboxId::from_bytes([9; 16]);
    let handle = there.registry.register_new(&Scope { inbox, ..scope(None) }, TransportKind::Autopush);
    let told = async || {
        faults.lose_notices(true);
        faults.lose_notices(false);
        loop {
            std::future::poll_fn(|cx| handle.poll_notified(cx)).await;
            if let Some(wakeup) = handle.take_if(|wakeup| wakeup.update.is_some()) {
                return wakeup.removed;
            }
        }
    };
    assert!(!told().await);
    let new = Inbox { id: inbox, owner: Owner::Agent, created: here.now(), key: KeyId(1) };
    there.commit_one(Op::CreateInbox(new), Durability::Durable).await.unwrap();
    there.registry.record_inbox(inbox);
    assert!(!told().await);
    faults.lose_notices(true);
    here.remove_inbox(inbox).await.unwrap();
    assert!(told().await);
    task.abort();
}

/// Agents are told one after the other, so that a database that comes back is not overloaded.
#[tokio::test(start_paused = true)]
async fn many_sessions_do_not_read_again_at_once() {
    const AGENTS: u16 = 2000;
    let Cluster { here, there, faults } = cluster().await;
    let task = catch_up::start(Arc::clone(&there));
    let id = |number: u16| {
        let [high, low] = number.to_be_bytes();
        InboxId::from_bytes([low, high, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9])
    };
    let (owner, created, key) = (Owner::Agent, here.now(), KeyId(1));
    let inboxes = (0..AGENTS).map(|number| Op::CreateInbox(Inbox { id: id(number), owner, created, key }));
    let applied = here.commit(inboxes.collect(), Durability::Durable).await.unwrap();
    assert!(applied.iter().all(|applied| *applied == Applied::Created));
    let sessions: Vec<_> = (0..AGENTS)
        .map(|number| {
            let scope = Scope { inbox: id(number), ..scope(None) };
            there.registry.register(&scope, TransportKind::Events).unwrap()
        })
        .collect();
    faults.lose_notices(true);
    faults.lose_notices(false);
    let told = || {
        let is_told = |handle: &&SessionHandle| {
            let mut is_told = false;
            let _ = handle.take_if(|wakeup| {
                is_told = wakeup.update.is_some();
                false
            });
            is_told
        };
        sessions.iter().filter(is_told).count()
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let early = told();
    assert!(early > 0 && early < usize::from(AGENTS), "{early}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(told(), usize::from(AGENTS));
    task.abort();
}

/// Any node may be the one that sweeps, and it observes only its own messages.
#[tokio::test(start_paused = true)]
async fn messages_of_other_nodes_expire() {
    let Cluster { here, there, .. } = cluster().await;
    let sweeping = sweep::start(Arc::clone(&there));
    // The first sweep finds nothing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let entry = push(&here, 60).await;
    let past = Timestamp::from_millis(1);
    let old = Draft { accepted: past, expires: Timestamp::from_millis(2), ..draft(&here, entry).await };
    let applied = here.commit_one(Op::Append(old), Durability::Durable).await.unwrap();
    let Applied::Appended(appended) = applied else { unreachable!("its subscription exists") };
    let expired = appended.message.entry_ref();
    let mut gone = pin!(async {
        while there.entry(&expired).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    gone.as_mut().await;
    assert!(there.entry(&entry).await.unwrap().is_some());
    assert_ne!(entry.position, Position::START);
    sweeping.abort();
}

/// Returns a new message like a stored one.
async fn draft(service: &Service, entry: EntryRef) -> Draft {
    let stored = service.entry(&entry).await.unwrap().unwrap();
    let Entry::Message(message) = stored else { unreachable!("it is a message") };
    Draft { id: MessageId::from_bytes([7; 16]), ..(**message).clone() }
}

/// In a database each commit is a transaction.
#[tokio::test(start_paused = true)]
async fn acknowledgements_in_a_cluster_are_settled_by_hundreds() {
    let Cluster { here, faults, .. } = cluster().await;
    let settling = settling::start(Arc::clone(&here));
    let entry = push(&here, 60).await;
    let before = faults.commits();
    (0..100).for_each(|_| here.settle_soon(vec![entry]));
    tokio::time::sleep(Duration::from_millis(49)).await;
    assert_eq!(faults.commits(), before);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(faults.commits(), before + 1);
    assert_eq!(here.entry(&entry).await, Ok(None));
    here.settle_soon(vec![entry]);
    here.settle_at_disconnect();
    assert_eq!(faults.commits(), before + 2, "the agent may connect elsewhere next");
    settling.abort();
}
