//! Any operations, for the tests that compare a store with the model.

mod comparison;

pub(crate) use comparison::{assert_same, snapshot};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::subscription::{ChromiumApp, Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::memory::MemoryStore;
use webpush_store::{
    Applied, Detail, Durability, IdleCheck, IdleLimits, Op, Quota, Record, Store, StoreError,
};

const HOUR: u64 = 3_600_000;

/// Agents are inboxes 0 to 2, receipt subscriptions 3 and 4.
pub(crate) fn inbox_id(number: u8) -> InboxId {
    InboxId::from_bytes([number; 16])
}

pub(crate) fn subscription_id(number: u8) -> SubscriptionId {
    SubscriptionId::from_bytes([number; 16])
}

pub(crate) fn channel_id(number: u8) -> ChannelId {
    ChannelId::from_bytes([number; 16])
}

pub(crate) fn message_id(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

/// One operation before the time of its batch is known.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Other(Op),
    /// A message with a TTL of this many milliseconds.
    Append(Draft, u64),
    /// Ends one of the existing entries.
    Settle(usize, Outcome),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let inbox = (0..5_u8, any::<u8>()).prop_map(|(number, key)| {
        let owner = if number < 3 { Owner::Agent } else { Owner::Receipts };
        let created = Timestamp::from_millis(1);
        Step::Other(Op::CreateInbox(Inbox { id: inbox_id(number), owner, created, key: KeyId(key) }))
    });
    let subscribe = (0..3_u8, 0..3_u8, 0..5_u8).prop_map(|(agent, id, channel)| {
        let (agent, id) = (inbox_id(agent), subscription_id(id));
        let created = Timestamp::from_millis(2);
        let protocol = match channel {
            0 | 1 => Protocol::Autopush(channel_id(channel)),
            2 => Protocol::Legacy,
            3 => {
                let app = ChromiumApp::new("org.chromium.linux", "wp:x").unwrap();
                Protocol::Chromium(channel_id(0), Arc::new(app))
            }
            _ => Protocol::Rfc8030,
        };
        Step::Other(Op::Subscribe(Subscription { agent, id, created, key: KeyId(1), sender: None, protocol }))
    });
    let nothing = (entry(), outcome()).prop_map(|(entry, outcome)| Step::Other(Op::Settle(entry, outcome)));
    let settle = (any::<usize>(), outcome()).prop_map(|(number, outcome)| Step::Settle(number, outcome));
    let unsubscribe = (0..3_u8, 0..3_u8)
        .prop_map(|(agent, id)| Step::Other(Op::Unsubscribe(inbox_id(agent), subscription_id(id))));
    let remove = (0..5_u8).prop_map(|number| Step::Other(Op::RemoveInbox(inbox_id(number))));
    let touch = (0..5_u8, time()).prop_map(|(number, time)| Step::Other(Op::Touch(inbox_id(number), time)));
    let remove_idle =
        (0..5_u8, check()).prop_map(|(number, check)| Step::Other(Op::RemoveIdle(inbox_id(number), check)));
    let rest = prop_oneof![1 => unsubscribe, 1 => remove, 2 => touch, 1 => remove_idle];
    prop_oneof![3 => inbox, 5 => subscribe, 20 => append(), 8 => settle, 1 => nothing, 5 => rest]
}

pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    (0..100 * HOUR).prop_map(Timestamp::from_millis)
}

pub(crate) fn check() -> impl Strategy<Value = IdleCheck> {
    (time(), 0..40 * HOUR, 0..40 * HOUR).prop_map(|(now, never_monitored, unused)| {
        let (never_monitored, unused) =
            (Duration::from_millis(never_monitored), Duration::from_millis(unused));
        IdleCheck { now, limits: IdleLimits { never_monitored, unused } }
    })
}

pub(crate) fn quota() -> impl Strategy<Value = Quota> {
    (0..8_u64, 0..80_u64, 0..5_u64, 1..5_u64).prop_map(|(messages, body_bytes, receipts, subscriptions)| {
        Quota { messages, body_bytes, receipts, subscriptions }
    })
}

pub(crate) fn append() -> impl Strategy<Value = Step> {
    let place = (0..3_u8, 0..3_u8, 0..64_u8, 1..40_u64);
    let kind = (0..4_usize, 0..4_usize, 0..5_u8, vec(any::<u8>(), 0..20));
    (place, kind).prop_map(|((agent, subscription, id, ttl), (urgency, topic, receipt, body))| {
        let message = Draft {
            id: message_id(id),
            agent: inbox_id(agent),
            subscription: subscription_id(subscription),
            accepted: Timestamp::default(),
            expires: Timestamp::default(),
            urgency: Urgency::ALL[urgency],
            topic: [None, None, Some("a"), Some("b")][topic].and_then(|topic| Topic::parse(topic.as_bytes())),
            encoding: Encoding::default(),
            key: KeyId(3),
            receipt: (receipt >= 3).then(|| inbox_id(receipt)),
            body: Bytes::from(body),
        };
        Step::Append(message, ttl)
    })
}

pub(crate) fn entry() -> impl Strategy<Value = EntryRef> {
    (0..5_u8, 0..60_u64, 0..64_u8).prop_map(|(inbox, position, id)| EntryRef {
        inbox: inbox_id(inbox),
        position: Position::new(position),
        message: message_id(id),
    })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Delivered),
        Just(Outcome::Expired),
        Just(Outcome::Replaced),
        Just(Outcome::Canceled),
        Just(Outcome::Dropped),
    ]
}

/// Submits a commit, and returns the receiver of its result.
pub(crate) fn submit(
    store: &impl Store,
    ops: Vec<Op>,
    durability: Durability,
) -> mpsc::Receiver<Result<Vec<Applied>, StoreError>> {
    let (sender, receiver) = mpsc::channel();
    store.commit(ops, durability, Box::new(move |result| drop(sender.send(result))));
    receiver
}

pub(crate) fn commit(store: &impl Store, ops: Vec<Op>, durability: Durability) -> Vec<Applied> {
    submit(store, ops, durability).recv().unwrap().unwrap()
}

/// Returns the operations that create all inboxes.
pub(crate) fn all_inboxes() -> Vec<Op> {
    let inbox = |number| {
        let owner = if number < 3 { Owner::Agent } else { Owner::Receipts };
        Op::CreateInbox(Inbox {
            id: inbox_id(number),
            owner,
            created: Timestamp::from_millis(1),
            key: KeyId(0),
        })
    };
    (0..5).map(inbox).collect()
}

pub(crate) fn operations(steps: Vec<Step>, now: Timestamp, there: &[EntryRef]) -> Vec<Op> {
    let operation = |step| match step {
        Step::Other(op) => Some(op),
        Step::Append(message, ttl) => {
            let expires = Timestamp::from_millis(now.as_millis() + ttl);
            Some(Op::Append(Draft { accepted: now, expires, ..message }))
        }
        Step::Settle(number, outcome) => {
            let number = number.checked_rem(there.len())?;
            Some(Op::Settle(there[number], outcome))
        }
    };
    steps.into_iter().filter_map(operation).collect()
}

pub(crate) async fn entries(store: &MemoryStore) -> Vec<EntryRef> {
    let entry = |record| match record {
        Record::Entry(entry) => Some(entry.entry_ref()),
        _ => None,
    };
    snapshot(store, &Detail::EVERYTHING).await.into_iter().filter_map(entry).collect()
}
