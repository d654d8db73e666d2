use super::*;
use crate::namespace::Namespace;
use crate::record::{PushContent, SentRequest};
use crate::service_name::ServiceName;
use bytes::Bytes;
use http::HeaderMap;
use webpush_core::id::{InboxId, SubscriptionId};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TARGET: PushTarget = (InboxId::from_bytes([1; 16]), SubscriptionId::from_bytes([2; 16]));

fn record(namespace: &str, body: usize) -> PushRecord {
    PushRecord {
        id: String::new(),
        number: 0,
        namespace: Namespace::parse(namespace).unwrap(),
        subscription: None,
        service: ServiceName::Local,
        endpoint: "http://127.0.0.1/push/x".into(),
        sent: NOW,
        status: 201,
        problem: None,
        state: State::Accepted,
        delivered: None,
        acknowledged: None,
        request: SentRequest::new(&HeaderMap::new()),
        content: PushContent::new(Bytes::from(vec![0; body]), Err("no keys".into())),
        fault: None,
        deliveries: 0,
        target: Some(TARGET),
        messages: Vec::new(),
    }
}

fn message(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

#[test]
fn events_before_and_after_a_record_change_it_once() {
    let records = Records::default();
    records.acknowledge(message(1), AgentAck::NotDisplayed, NOW);
    let early = records.add(record("a", 0), &[message(1)]);
    let found = records.get(early).unwrap();
    assert_eq!((found.state, found.delivered), (State::Delivered, Some(NOW)));
    assert_eq!(found.acknowledged, Some(AgentAck::NotDisplayed));

    let late = records.add(record("a", 0), &[message(2), message(3)]);
    records.end(message(3), State::Replaced, NOW);
    assert_eq!(records.get(late).unwrap().state, State::Accepted, "the other one waits");
    for _ in 0..2 {
        records.end(message(2), State::Delivered, NOW);
    }
    let found = records.get(late).unwrap();
    assert_eq!((found.state, found.delivered, &*found.id), (State::Delivered, Some(NOW), "m2"));
    assert_eq!(found.deliveries, 1, "each message counts once");
    records.end(message(2), State::Expired, NOW);
    assert_eq!(records.get(late).unwrap().state, State::Delivered, "a delivery is final");
}

#[test]
fn old_records_are_forgotten_by_number_and_by_size() {
    let records = Records::default();
    for _ in 0..MAX_RECORDS + 2 {
        records.add(record("a", 0), &[]);
    }
    assert!(records.get(2).is_none() && records.get(3).is_some());
    for _ in 0..3 {
        records.add(record("a", MAX_BYTES / 2), &[]);
    }
    assert_eq!(records.table().records.len(), 1, "texts count as well");
}

#[test]
fn a_namespace_is_cleared_alone_and_removal_cancels_what_waits() {
    let records = Records::default();
    let first = records.add(record("a", 1), &[message(1)]);
    let second = records.add(record("b", 1), &[message(2)]);
    records.clear(&NamespaceScope::One(Namespace::parse("a").unwrap()));
    assert!(records.get(first).is_none());
    records.cancel(|target| *target == TARGET);
    assert_eq!(records.get(second).unwrap().state, State::Canceled);
    records.clear(&NamespaceScope::All);
    assert!(records.find(0, 9, |_| true).is_empty());
}

#[tokio::test]
async fn changes_are_announced() {
    let records = Records::default();
    let (mut version, mut changes) = (records.watch(), records.changes());
    let number = records.add(record("a", 0), &[message(1)]);
    version.changed().await.unwrap();
    records.end(message(1), State::Delivered, NOW);
    version.changed().await.unwrap();
    assert_eq!((changes.recv().await.unwrap(), changes.recv().await.unwrap()), (number, number));
}

#[test]
fn early_events_are_bounded() {
    let records = Records::default();
    for number in 0..=MAX_EARLY {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        records.end(MessageId::from_bytes(id), State::Delivered, NOW);
    }
    assert_eq!(records.table().early.events.len(), MAX_EARLY);
}
