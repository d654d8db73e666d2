//! A service with a store of its own: messages expire in time, and no acknowledgement waits for others.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::env::{Clock, Env, MonotonicTime};
use webpush_core::id::{EntryRef, InboxId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::publish::PublishRequest;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_service::client_addr::ClientAddr;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_service::session_registry::TransportKind;
use webpush_service::system::SystemEntropy;
use webpush_service::vapid_cache::TokenAudience;
use webpush_service::{publish, settling, sweep};
use webpush_store::memory::{Faults, MemoryStore};
use webpush_store::{Durability, Op};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);

/// Time that passes only while every task waits.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.0.elapsed())
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::since_start(self.0.elapsed())
    }
}

/// Returns a service with an agent that has a subscription, and the faults of its store.
async fn service() -> (Arc<Service>, Faults) {
    let store = MemoryStore::default();
    let faults = store.faults();
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let env = Env::new(Arc::new(PausedClock(Instant::now())), Arc::new(SystemEntropy));
    let service = Service::new(Setup { env, ..Setup::new(store, keyring, "https://push.example") });
    let (agent, id, created, key) = (AGENT, SUBSCRIPTION, service.now(), KeyId(1));
    let subscription = Subscription { agent, id, created, key, sender: None, protocol: Protocol::Rfc8030 };
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created, key };
    let ops = vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)];
    service.commit(ops, Durability::Durable).await.unwrap();
    (service, faults)
}

async fn push(service: &Service, ttl_seconds: u64, topic: Option<Topic>) -> EntryRef {
    let client = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let subscription = publish::find(service, &client, AGENT, SUBSCRIPTION).await.unwrap();
    let request = PublishRequest {
        ttl: Duration::from_secs(ttl_seconds),
        urgency: Urgency::Normal,
        topic,
        encoding: Encoding::default(),
        wants_receipt: false,
        receipt_subscription: None,
        body: Bytes::new(),
    };
    let headers = HeaderMap::new();
    publish::accept(service, &client, &headers, TokenAudience::Own, &subscription, request)
        .await
        .unwrap()
        .entry
}

async fn is_stored(service: &Service, entry: &EntryRef) -> bool {
    service.entry(entry).await.unwrap().is_some()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_expires_before_all_others_wakes_the_sweep() {
    let (service, _) = service().await;
    let sweeping = sweep::start(Arc::clone(&service));
    let late = push(&service, 3000, None).await;
    pass(60).await;
    let early = push(&service, 10, None).await;
    pass(9).await;
    assert!(is_stored(&service, &early).await);
    pass(3).await;
    assert!(!is_stored(&service, &early).await, "two seconds after its TTL");
    assert!(is_stored(&service, &late).await);
    sweeping.abort();
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_leaves_expires_in_time() {
    let (service, _) = service().await;
    let (early, late) = (push(&service, 10, None).await, push(&service, 100, None).await);
    let sweeping = sweep::start(Arc::clone(&service));
    pass(12).await;
    assert!(!is_stored(&service, &early).await && is_stored(&service, &late).await);
    pass(90).await;
    assert!(!is_stored(&service, &late).await);
    sweeping.abort();
}

/// RFC 8030 §5.2: it is stored for its topic only, and does not wait for the sweep.
#[tokio::test(start_paused = true)]
async fn a_stored_message_with_ttl_0_for_an_absent_agent_ends_at_once() {
    let (service, _) = service().await;
    let entry = push(&service, 0, Topic::parse(b"news")).await;
    assert!(!is_stored(&service, &entry).await);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_does_not_wait_for_others() {
    let (service, _) = service().await;
    let settling = settling::start(Arc::clone(&service));
    let entry = push(&service, 60, None).await;
    service.settle_soon(vec![entry]);
    pass(1).await;
    assert!(!is_stored(&service, &entry).await);
    settling.abort();
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_while_the_store_is_down_are_settled_once_it_is_back() {
    let (service, faults) = service().await;
    let settling = settling::start(Arc::clone(&service));
    let entry = push(&service, 60, None).await;
    faults.fail_commits(true);
    service.settle_soon(vec![entry]);
    pass(5).await;
    assert!(is_stored(&service, &entry).await);
    faults.fail_commits(false);
    pass(1).await;
    assert!(!is_stored(&service, &entry).await);
    settling.abort();
}

#[tokio::test]
async fn acknowledgements_while_the_store_is_down_are_settled_before_the_next_session_reads() {
    let (service, faults) = service().await;
    let entry = push(&service, 60, None).await;
    faults.fail_commits(true);
    service.settle_soon(vec![entry]);
    service.settle_now();
    faults.fail_commits(false);
    service.settle_now();
    assert!(!is_stored(&service, &entry).await);
}

/// A commit that failed may have been applied.
#[tokio::test(start_paused = true)]
async fn sessions_read_again_once_commits_succeed_after_a_failure() {
    let (service, faults) = service().await;
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let session = service.registry.register(&scope, TransportKind::Events).unwrap();
    let has_missed = || {
        let wakeup = session.take_if(|wakeup| wakeup.update.is_some());
        wakeup.and_then(|wakeup| wakeup.update).is_some_and(|update| update.missed)
    };
    let touch = || service.commit_one(Op::Touch(AGENT, service.now()), Durability::Durable);
    touch().await.unwrap();
    assert!(!has_missed());
    faults.fail_commits(true);
    touch().await.unwrap_err();
    assert!(!has_missed(), "it would read what the store had before");
    faults.fail_commits(false);
    touch().await.unwrap();
    assert!(has_missed());
    touch().await.unwrap();
    assert!(!has_missed(), "once");
}
