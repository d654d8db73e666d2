//! The embedded store does what the model does, for any operations.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, reason = "what fails must stop the test")]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::session::Scope;
use webpush_core::subscription::{ChromiumApp, Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::IdleLimits;
use webpush_store::contract::{block_on, latest};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::memory::MemoryStore;
use webpush_store::{Applied, Detail, Durability, Entries, IdleCheck, Op, Quota, Record, Store};

const HOUR: u64 = 3_600_000;

/// Agents are inboxes 0 to 2, receipt subscriptions 3 and 4.
fn inbox_id(number: u8) -> InboxId {
    InboxId::from_bytes([number; 16])
}

fn subscription_id(number: u8) -> SubscriptionId {
    SubscriptionId::from_bytes([number; 16])
}

fn channel_id(number: u8) -> ChannelId {
    ChannelId::from_bytes([number; 16])
}

fn message_id(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

/// One operation before the time of its batch is known.
#[derive(Clone, Debug)]
enum Step {
    Other(Op),
    /// A message with a TTL of this many milliseconds.
    Append(Draft, u64),
    /// Ends one of the existing entries.
    Settle(usize, Outcome),
}

fn step() -> impl Strategy<Value = Step> {
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

fn time() -> impl Strategy<Value = Timestamp> {
    (0..100 * HOUR).prop_map(Timestamp::from_millis)
}

fn check() -> impl Strategy<Value = IdleCheck> {
    (time(), 0..40 * HOUR, 0..40 * HOUR).prop_map(|(now, never_monitored, unused)| {
        let (never_monitored, unused) =
            (Duration::from_millis(never_monitored), Duration::from_millis(unused));
        IdleCheck { now, limits: IdleLimits { never_monitored, unused } }
    })
}

fn quota() -> impl Strategy<Value = Quota> {
    (0..8_u64, 0..80_u64, 0..5_u64, 1..5_u64).prop_map(|(messages, body_bytes, receipts, subscriptions)| {
        Quota { messages, body_bytes, receipts, subscriptions }
    })
}

fn append() -> impl Strategy<Value = Step> {
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

fn entry() -> impl Strategy<Value = EntryRef> {
    (0..5_u8, 0..60_u64, 0..64_u8).prop_map(|(inbox, position, id)| EntryRef {
        inbox: inbox_id(inbox),
        position: Position::new(position),
        message: message_id(id),
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Delivered),
        Just(Outcome::Expired),
        Just(Outcome::Replaced),
        Just(Outcome::Canceled),
        Just(Outcome::Dropped),
    ]
}

fn commit(store: &impl Store, ops: Vec<Op>, durability: Durability) -> Vec<Applied> {
    let (sender, receiver) = mpsc::channel();
    store.commit(ops, durability, Box::new(move |result| drop(sender.send(result))));
    receiver.recv().unwrap().unwrap()
}

fn operations(steps: Vec<Step>, now: Timestamp, there: &[EntryRef]) -> Vec<Op> {
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

async fn entries(store: &MemoryStore) -> Vec<EntryRef> {
    let entry = |record| match record {
        Record::Entry(entry) => Some(entry.entry_ref()),
        _ => None,
    };
    snapshot(store, &Detail::EVERYTHING).await.into_iter().filter_map(entry).collect()
}

/// Compares the results of all reads.
async fn assert_same(model: &impl Store, store: &impl Store, now: Timestamp, check: &IdleCheck) {
    for limit in [0, 2, 100] {
        assert_eq!(model.idle(check, limit).await, store.idle(check, limit).await);
    }
    assert_eq!(snapshot(model, &Detail::EVERYTHING).await, snapshot(store, &Detail::EVERYTHING).await);
    let some = Detail { after: Some(inbox_id(1)), subscriptions: false, entries: Entries::First };
    assert_eq!(snapshot(model, &some).await, snapshot(store, &some).await);
    for number in 0..5 {
        let inbox = inbox_id(number);
        assert_eq!(model.inbox(inbox).await, store.inbox(inbox).await);
        for id in (0..3).map(subscription_id) {
            assert_eq!(model.subscription(inbox, id).await, store.subscription(inbox, id).await);
        }
        for channel in (0..2).map(channel_id) {
            assert_eq!(model.channel(inbox, channel).await, store.channel(inbox, channel).await);
        }
        for only in [None, Some(subscription_id(1))] {
            for floor in [Urgency::VeryLow, Urgency::Normal] {
                let scope = Scope { inbox, subscription: only, min_urgency: floor };
                assert_eq!(latest(model, &scope, now).await, latest(store, &scope, now).await);
                let mut after = Position::START;
                loop {
                    let page = model.fetch(&scope, after, now).await.unwrap();
                    assert_eq!(Ok(&page), store.fetch(&scope, after, now).await.as_ref());
                    for entry in &page.entries {
                        assert_eq!(
                            Ok(Some(entry)),
                            store.entry(&entry.entry_ref()).await.as_ref().map(Option::as_ref)
                        );
                    }
                    after = page.scanned;
                    if !page.more {
                        break;
                    }
                }
            }
        }
    }
    for limit in [0, 3, 1000] {
        for then in [Timestamp::default(), now, Timestamp::from_millis(now.as_millis() + 20)] {
            assert_eq!(model.due(then, limit).await, store.due(then, limit).await);
        }
    }
}

async fn snapshot(store: &impl Store, detail: &Detail) -> Vec<Record> {
    store.snapshot(detail).await.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Copies a directory as a killed process leaves it, even in the middle of a flush.
///
/// The log is copied first, so that rows which have left it by then are in the engine.
fn copy_as_it_is(from: &Path, to: &Path) {
    for name in ["format", "watermark", "log", "engine"] {
        copy(&from.join(name), &to.join(name));
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        // A segment may be removed meanwhile.
        drop(fs::copy(from, to));
        return;
    }
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map_while(Result::ok) {
        copy(&file.path(), &to.join(file.file_name()));
    }
}

/// A new store with the records of a snapshot of another one.
fn copied(store: &impl Store, directory: &Path, options: Options) -> EmbeddedStore {
    let copy = EmbeddedStore::open(directory, options).unwrap();
    for record in block_on(store.snapshot(&Detail::EVERYTHING)).unwrap() {
        assert_eq!(commit(&copy, vec![Op::Restore(record.unwrap())], Durability::Lazy), [Applied::Created]);
    }
    copy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_embedded_store_is_like_the_model(
        batches in vec((vec(step(), 1..8), any::<bool>(), 0..10_u64), 1..25),
        sought in vec(entry(), 10),
        reopen in 0..25_usize,
        flushes in vec(any::<bool>(), 25),
        memtable_bytes in prop_oneof![1..6000_usize, Just(usize::MAX)],
        crash in any::<bool>(),
        copy in 0..25_usize,
        (quota, quota_then) in (quota(), quota()),
        check in check(),
    ) {
        let (directory, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let copy_directory = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.memtable.bytes = memtable_bytes;
        options.memtable.age = Duration::MAX;
        let open = |directory: &Path, quota| {
            EmbeddedStore::open(directory, Options { quota, ..options.clone() }).unwrap()
        };
        let (mut model, mut store) = (MemoryStore::with_quota(quota), open(directory.path(), quota));
        let mut now = 10;
        let (mut here, mut quota_now) = (directory.path(), quota);
        for number in 0..5 {
            let owner = if number < 3 { Owner::Agent } else { Owner::Receipts };
            let inbox = Inbox { id: inbox_id(number), owner, created: Timestamp::from_millis(1), key: KeyId(0) };
            let ops = vec![Op::CreateInbox(inbox)];
            commit(&model, ops.clone(), Durability::Lazy);
            commit(&store, ops, Durability::Lazy);
        }
        for (number, (steps, durable, pause)) in batches.into_iter().enumerate() {
            now += pause;
            let there = block_on(entries(&model));
            let ops = operations(steps, Timestamp::from_millis(now), &there);
            let durability = if durable { Durability::Durable } else { Durability::Lazy };
            assert_eq!(commit(&model, ops.clone(), durability), commit(&store, ops, durability));
            if flushes[number] {
                store.flush();
            }
            if flushes[number] || memtable_bytes < usize::MAX {
                // Where a memtable was rotated the store assigns positions above all earlier ones from then on.
                let position = block_on(model.snapshot(&Detail::INBOXES)).unwrap().next().unwrap().unwrap();
                for applied in [
                    commit(&model, vec![Op::Restore(position.clone())], Durability::Lazy),
                    commit(&store, vec![Op::Restore(position)], Durability::Lazy),
                ] {
                    assert_eq!(applied, [Applied::Created]);
                }
            }
            if number == copy {
                store = copied(&store, copy_directory.path(), Options { quota: quota_now, ..options.clone() });
                // A copy does not know the IDs of removed messages, like a store that was reopened.
                model = model.reopen();
                let position = block_on(model.snapshot(&Detail::INBOXES)).unwrap().next().unwrap().unwrap();
                commit(&store, vec![Op::Restore(position)], Durability::Lazy);
                here = copy_directory.path();
            }
            if number == reopen {
                if crash {
                    copy_as_it_is(here, after.path());
                    here = after.path();
                }
                drop(store);
                store = open(here, quota_then);
                quota_now = quota_then;
                model = model.reopen_with(quota_then);
                assert_eq!(store.recovery().batches_lost, 0);
            }
            block_on(assert_same(&model, &store, Timestamp::from_millis(now), &check));
        }
        for entry in sought {
            assert_eq!(block_on(model.entry(&entry)), block_on(store.entry(&entry)));
        }
    }
}
