use super::*;
use crate::admin::{agents, subscriptions};
use serde::Serialize;
use serde_json::Value;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::inbox::Inbox;
use webpush_core::subscription::Protocol;
use webpush_core::time::Timestamp;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::Setup;
use webpush_store::memory::{Faults, MemoryStore};
use webpush_store::{Durability, Op};

const KEY: KeyId = KeyId(1);
const CREATED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn id(n: u8) -> InboxId {
    InboxId::from_bytes([n; 16])
}

fn create(n: u8) -> Op {
    Op::CreateInbox(Inbox { id: id(n), owner: Owner::Agent, created: CREATED, key: KEY })
}

fn subscribe(agent: u8, n: u8) -> Op {
    Op::Subscribe(Subscription {
        agent: id(agent),
        id: SubscriptionId::from_bytes([n; 16]),
        created: CREATED,
        key: KEY,
        sender: None,
        protocol: Protocol::Rfc8030,
    })
}

/// Returns a service with agents of these numbers, each with two subscriptions.
async fn service(numbers: impl Iterator<Item = u8>) -> (Arc<Service>, Faults) {
    let store = MemoryStore::default();
    let faults = store.faults();
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KEY, [1; 32])]).unwrap();
    let service = Service::new(Setup::new(store, keyring, "https://push.example"));
    commit(&service, numbers.flat_map(|n| [create(n), subscribe(n, 1), subscribe(n, 2)]).collect()).await;
    (service, faults)
}

async fn commit(service: &Service, ops: Vec<Op>) {
    service.commit(ops, Durability::Durable).await.unwrap();
}

/// Reads a page where blocking is allowed.
async fn read<T: Serialize + Send + 'static>(
    service: &Arc<Service>,
    page: impl FnOnce(&Service) -> Result<T, AdminError> + Send + 'static,
) -> Value {
    let service = Arc::clone(service);
    serde_json::to_value(tokio::task::spawn_blocking(move || page(&service).unwrap()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_lookup_opens_no_snapshot() {
    let (service, faults) = service(0..=255).await;
    faults.fail_snapshots(true);
    let log_id = service.log_ids.inbox(id(200)).to_string();
    let subscription_id = SubscriptionId::from_bytes([2; 16]);
    let subscription_log_id = service.log_ids.subscription(subscription_id).to_string();
    assert_eq!(agent(&service, &log_id).await.unwrap(), id(200));
    let found = subscription(&service, &log_id, &subscription_log_id).await.unwrap();
    assert_eq!((found.agent, found.id), (id(200), subscription_id));
}

#[tokio::test]
async fn a_log_id_of_another_kind_is_not_found_and_a_malformed_one_is_refused() {
    let (service, _) = service(0..3).await;
    let log_id = service.log_ids.inbox(id(1)).to_string();
    let other = service.log_ids.subscription(SubscriptionId::from_bytes([1; 16])).to_string();
    assert!(matches!(agent(&service, &other).await, Err(AdminError::NoSuch(_))));
    assert!(matches!(subscription(&service, &log_id, &log_id).await, Err(AdminError::NoSuch(_))));
    for wrong in ["", "0123456789abcdef", &log_id[1..]] {
        let Err(AdminError::BadRequest(message)) = agent(&service, wrong).await else {
            panic!("{wrong} was accepted")
        };
        assert!(message.contains("32 hexadecimal digits"), "{message}");
        assert!(matches!(subscription(&service, &log_id, wrong).await, Err(AdminError::BadRequest(_))));
    }
    let receipts = Inbox { id: id(9), owner: Owner::Receipts, created: CREATED, key: KEY };
    commit(&service, vec![Op::CreateInbox(receipts)]).await;
    let log_id = service.log_ids.inbox(id(9)).to_string();
    assert!(matches!(agent(&service, &log_id).await, Err(AdminError::NoSuch(_))));
}

#[tokio::test]
async fn pages_list_each_agent_once_while_agents_are_created_and_removed() {
    let (service, _) = service((0..100).map(|n| n * 2)).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = read(&service, move |service| agents::page(service, after, 7)).await;
        let rows = page["agents"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| inbox_id(&service, row["agent"].as_str().unwrap()).unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        let last = inbox_id(&service, next).unwrap();
        after = Some(last);
        // Remove the agent of the cursor, and create one on either side of it.
        let n = last.as_bytes()[0];
        commit(&service, vec![Op::RemoveInbox(last), create(n - 1), create(n + 1)]).await;
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "no agent is listed twice");
    assert!((0..100).all(|n| seen.contains(&id(n * 2))), "all that stayed are listed");
}

#[tokio::test]
async fn pages_of_subscriptions_continue_within_and_after_an_agent() {
    let (service, _) = service(0..5).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = read(&service, move |service| subscriptions::page(service, None, after, 3)).await;
        seen.extend_from_slice(page["subscriptions"].as_array().unwrap());
        let Some((agent, id)) = page["next"].as_str().and_then(|next| next.split_once('/')) else { break };
        after = Some((inbox_id(&service, agent).unwrap(), subscription_id(&service, id).unwrap()));
        let (agent, id) = after.unwrap();
        commit(&service, vec![Op::Unsubscribe(agent, id)]).await;
    }
    assert_eq!(seen.len(), 10);
    assert!((1..10).all(|at| !seen[..at].contains(&seen[at])), "none is listed twice");
    let only = read(&service, |service| subscriptions::page(service, Some(id(4)), None, 3)).await;
    let left = only["subscriptions"].as_array().unwrap();
    assert!(seen.ends_with(left) && only["next"].is_null(), "{only}");
}
