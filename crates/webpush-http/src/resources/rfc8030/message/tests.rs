//! RFC 8030 §6.2 in an inbox of several protocols: who it is that deletes a message.

use super::*;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::receipt::ReceiptStatus;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::Setup;
use webpush_store::memory::MemoryStore;

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const RECEIPTS: InboxId = InboxId::from_bytes([2; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([3; 16]);
const KEY: KeyId = KeyId(1);

/// A service with a message that owes a receipt, to a subscription of this protocol.
async fn with_message(protocol: Protocol) -> (Arc<Service>, EntryRef) {
    let store = MemoryStore::default();
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KEY, [1; 32])]).unwrap();
    let service = Service::new(Setup::new(store, keyring, "https://push.example"));
    let now = service.now();
    let inbox = |id, owner| Op::CreateInbox(Inbox { id, owner, created: now, key: KEY });
    let subscription =
        Subscription { agent: AGENT, id: SUBSCRIPTION, created: now, key: KEY, sender: None, protocol };
    let message = Draft {
        id: MessageId::from_bytes([4; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: now,
        expires: now.after(Duration::from_secs(60)),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KEY,
        receipt: Some(RECEIPTS),
        body: Bytes::new(),
    };
    let ops = vec![
        inbox(AGENT, Owner::Agent),
        inbox(RECEIPTS, Owner::Receipts),
        Op::Subscribe(subscription),
        Op::Append(message),
    ];
    match service.commit(ops, Durability::Durable).await.unwrap().pop() {
        Some(Applied::Appended(appended)) => (service, appended.message.entry_ref()),
        other => panic!("{other:?}"),
    }
}

async fn receipts(service: &Service) -> Vec<ReceiptStatus> {
    let scope = Scope { inbox: RECEIPTS, subscription: None, min_urgency: Urgency::VeryLow };
    let page = service.fetch(None, &scope, Position::START, service.now()).await.unwrap();
    let status = |entry| match entry {
        Entry::Receipt(receipt) => receipt.status,
        Entry::Message(_) => panic!("a message among receipts"),
    };
    page.entries.into_iter().map(status).collect()
}

#[tokio::test]
async fn d1_withdraw_a_delete_acknowledges_for_an_rfc_8030_agent_and_withdraws_elsewhere() {
    let autopush = Protocol::Autopush(ChannelId::from_bytes([5; 16]));
    for (protocol, status) in [
        (Protocol::Rfc8030, ReceiptStatus::Acknowledged),
        (Protocol::Legacy, ReceiptStatus::Failed),
        (autopush, ReceiptStatus::Failed),
    ] {
        let (service, entry) = with_message(protocol.clone()).await;
        assert_eq!(delete(&service, entry).await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(receipts(&service).await, [status], "{protocol:?}");
        assert_eq!(service.entry(&entry).await, Ok(None));
        let again = delete(&service, entry).await.unwrap_err();
        assert!(matches!(again, ServiceError::Problem(Problem::NotFound)), "{again:?}");
    }
}

/// RFC 8030 §5.2.
#[tokio::test]
async fn a_message_whose_ttl_has_elapsed_is_not_read_before_the_sweep_ends_it_either() {
    let (service, entry) = with_message(Protocol::Rfc8030).await;
    assert_eq!(read(&service, &entry).await.unwrap().status(), StatusCode::OK);
    let Some(Entry::Message(message)) = service.entry(&entry).await.unwrap() else { panic!("no message") };
    let (id, accepted, expires) =
        (MessageId::from_bytes([6; 16]), Timestamp::from_millis(1), Timestamp::from_millis(2));
    let old = Op::Append(Draft { id, accepted, expires, ..message.draft.clone() });
    let Applied::Appended(appended) = service.commit_one(old, Durability::Durable).await.unwrap() else {
        panic!("its subscription exists")
    };
    let refused = read(&service, &appended.message.entry_ref()).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Problem(Problem::NotFound)), "{refused:?}");
}
