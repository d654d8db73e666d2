use super::*;
use crate::sealing_keys;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::cells::ClusterStore;
use webpush_store::contract::block_on;
use webpush_store::memory::MemoryStore;
use webpush_store::postgres::PostgresOptions;
use webpush_store::{Applied, Detail, Durability, Op, Store};

const RECEIPTS: InboxId = InboxId::from_bytes([9; 16]);
const HOUR: u64 = 3_600_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn commit(store: &Backend, ops: Vec<Op>) -> Vec<Applied> {
    let (sender, applied) = mpsc::channel();
    store.commit(ops, Durability::Durable, Box::new(move |result| sender.send(result).unwrap()));
    applied.recv().unwrap().unwrap()
}

fn snapshot(store: &Backend) -> Snapshot {
    block_on(store.snapshot(&Detail::EVERYTHING)).unwrap()
}

/// Everything in a store but its floor, which may be higher in the target.
fn content(store: &Backend) -> Vec<Record> {
    snapshot(store).skip(1).collect::<Result<_, _>>().unwrap()
}

fn pass(source: &Backend, target: &Backend) -> MigrationCounts {
    synchronize(records(snapshot(source)), target, snapshot(target), |_| {}).unwrap()
}

fn agent(number: u8) -> InboxId {
    InboxId::from_bytes([number; 16])
}

fn inbox(id: InboxId) -> Op {
    let owner = if id == RECEIPTS { Owner::Receipts } else { Owner::Agent };
    Op::CreateInbox(Inbox { id, owner, created: at(5), key: KeyId(1) })
}

fn subscription(of: u8, number: u8, channel: u8) -> Op {
    let protocol = match channel {
        0 => Protocol::Rfc8030,
        channel => Protocol::Autopush(ChannelId::from_bytes([channel; 16])),
    };
    Op::Subscribe(Subscription {
        agent: agent(of),
        id: SubscriptionId::from_bytes([number; 16]),
        created: at(6),
        key: KeyId(channel),
        sender: None,
        protocol,
    })
}

fn message(of: u8, subscription: u8, id: [u8; 16], is_topical: bool) -> Op {
    Op::Append(Draft {
        id: MessageId::from_bytes(id),
        agent: agent(of),
        subscription: SubscriptionId::from_bytes([subscription; 16]),
        accepted: at(10),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: is_topical.then(|| Topic::parse(b"news").unwrap()),
        encoding: Encoding::from_parts([None, Some(b"aes128gcm"), None, None]).unwrap(),
        key: KeyId(1),
        receipt: Some(RECEIPTS),
        body: Bytes::from_static(b"body"),
    })
}

/// Makes a random change to a store; `store_id` and `number` tell messages apart.
fn change(store: &Backend, store_id: u8, number: u8, (kind, of, its, variant): (u8, u8, u8, u8)) {
    let first = || {
        content(store).into_iter().find_map(|record| match record {
            Record::Entry(entry) if entry.entry_ref().inbox == agent(of) => Some(entry.entry_ref()),
            _ => None,
        })
    };
    let mut id = [number; 16];
    id[0] = store_id;
    let op = match kind {
        0 => inbox(agent(of)),
        1 => inbox(RECEIPTS),
        2 | 3 => subscription(of, its, variant),
        4..=6 => message(of, its, id, variant == 0),
        7 => match first() {
            Some(entry) => Op::Settle(entry, Outcome::Delivered),
            None => return,
        },
        8 => Op::Unsubscribe(agent(of), SubscriptionId::from_bytes([its; 16])),
        9 => Op::RemoveInbox(if variant == 0 { RECEIPTS } else { agent(of) }),
        _ => Op::Touch(agent(of), at(u64::from(number) * HOUR)),
    };
    commit(store, vec![op]);
}

fn without_hours(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if let Record::Inbox(inbox) = record {
            inbox.monitored = None;
        }
    }
    records
}

fn changes() -> impl Strategy<Value = Vec<(u8, u8, u8, u8)>> {
    prop::collection::vec((0..11_u8, 1..4_u8, 0..3_u8, 0..3_u8), 0..60)
}

proptest! {
    #[test]
    fn after_a_pass_the_target_is_equal(before in changes(), after in changes(), elsewhere in changes()) {
        let (source, target): (Backend, Backend) = (MemoryStore::default().into(), MemoryStore::default().into());
        for (number, step) in (0..).zip(before) {
            change(&source, 1, number, step);
        }
        pass(&source, &target);
        prop_assert_eq!(content(&target), content(&source));
        for (number, step) in (100..).zip(after) {
            change(&source, 1, number, step);
        }
        // Changes that are only in the target are undone.
        for (number, step) in (0..).zip(elsewhere) {
            change(&target, 2, number, step);
        }
        pass(&source, &target);
        prop_assert_eq!(without_hours(content(&target)), without_hours(content(&source)));
        let counts = pass(&source, &target);
        prop_assert_eq!((counts.removed, counts.skipped), (Counts::default(), 0));
    }
}

/// Many passes to a database and back from it, with changes on both sides before each.
#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn after_a_pass_a_database_is_equal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Reads need the timer of the runtime on this thread.
    let _entered = runtime.enter();
    let options = PostgresOptions {
        url: std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres"),
        schema: format!("test_migration_{}", std::process::id()),
        quota: UNLIMITED,
        ..PostgresOptions::default()
    };
    let database: Backend = runtime.block_on(ClusterStore::open(options)).unwrap().into();
    let memory: Backend = MemoryStore::default().into();
    let mut runner = TestRunner::deterministic();
    for round in 0..60 {
        for (store, store_id) in [(&memory, 2 * round), (&database, 2 * round + 1)] {
            let steps = changes().new_tree(&mut runner).unwrap().current();
            for (number, step) in (0..).zip(steps) {
                change(store, store_id, number, step);
            }
        }
        let (source, target) = if round % 3 == 2 { (&database, &memory) } else { (&memory, &database) };
        pass(source, target);
        assert_eq!(without_hours(content(target)), without_hours(content(source)), "round {round}");
    }
}

/// A service with agents, messages and receipts, in the data directory of a server.
fn data_dir(path: &Path) -> Backend {
    sealing_keys::write_new(path, &[(KeyId(1), [1; 32]), (KeyId(2), [2; 32])]).unwrap();
    let store = Backend::from(open_target(path, &sealing_keys::read(path).unwrap()).unwrap());
    commit(&store, vec![inbox(RECEIPTS)]);
    for of in 1..5 {
        commit(&store, vec![inbox(agent(of)), subscription(of, 1, 0), subscription(of, 2, 1)]);
        for number in 0..250 {
            let mut id = [number; 16];
            id[0] = of;
            commit(&store, vec![message(of, 1 + number % 2, id, false)]);
        }
    }
    let owed = content(&store).into_iter().filter_map(|record| match record {
        Record::Entry(Entry::Message(message)) => Some(message.entry_ref()),
        _ => None,
    });
    let ops = owed.step_by(10).map(|entry| Op::Settle(entry, Outcome::Delivered)).collect();
    commit(&store, ops);
    store
}

#[test]
fn an_interrupted_pass_is_continued_and_a_later_one_commits_only_differences() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = data_dir(from.path());
    let to = to.path().join("new");
    let keys = sealing_keys::read(from.path()).unwrap();
    let all = content(&source).len() as u64;
    let target = Backend::from(open_target(&to, &keys).unwrap());
    let broken = snapshot(&source).map(|record| Ok(record?)).take(700);
    let broken = broken.chain([Err(anyhow::anyhow!("the cable was pulled"))]);
    let error = synchronize(Box::new(broken), &target, snapshot(&target), |_| {}).unwrap_err();
    assert_eq!(format!("{error:#}"), "cannot read the source: the cable was pulled");
    target.close();
    drop(target);

    let target = Backend::from(open_target(&to, &keys).unwrap());
    let part = content(&target).len() as u64;
    assert!((1..all).contains(&part), "{part} of {all} records");
    let total = |counts: Counts| counts.inboxes + counts.subscriptions + counts.messages + counts.receipts;
    let mut reports = 0;
    let counts =
        synchronize(records(snapshot(&source)), &target, snapshot(&target), |_| reports += 1).unwrap();
    assert_eq!(content(&target), content(&source));
    assert_eq!((total(counts.copied), total(counts.unchanged)), (all - part, part));
    assert_eq!((counts.removed, counts.skipped), (Counts::default(), 0));
    assert!(reports > 1000, "{reports}");

    commit(&source, vec![Op::Unsubscribe(agent(1), SubscriptionId::from_bytes([2; 16]))]);
    commit(&source, vec![Op::RemoveInbox(agent(2)), message(3, 1, [255; 16], true)]);
    commit(&source, vec![Op::Touch(agent(4), at(500 * HOUR)), subscription(4, 2, 2)]);
    let owed = content(&source).len();
    let counts = pass(&source, &target);
    assert_eq!((content(&target), content(&target).len()), (content(&source), owed));
    assert_eq!((counts.removed.inboxes, counts.removed.subscriptions), (1, 3));
    assert_eq!((counts.copied.inboxes, counts.copied.subscriptions), (1, 1));
    assert!(counts.removed.messages > 300 && counts.copied.receipts > 300, "{counts:?}");
    assert_eq!(counts.copied.messages, 1);
    // New messages are stored above the positions of the source.
    let Applied::Appended(appended) = &commit(&target, vec![message(3, 1, [254; 16], false)])[0] else {
        unreachable!("it is stored")
    };
    let Some(Ok(Record::Position(floor))) = snapshot(&source).next() else { unreachable!("it is first") };
    assert!(appended.message.position > floor);
}

#[test]
fn directories_that_cannot_be_used_are_explained() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let error = open_source(from.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("has no store"), "{error}");
    let store = data_dir(from.path());
    let error = open_source(from.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("webpush-server backup FILE"), "{error}");
    let keys = sealing_keys::read(from.path()).unwrap();
    let error = open_target(from.path(), &keys).map(drop).unwrap_err().to_string();
    assert!(error.contains("stop it before"), "{error}");
    store.close();
    drop(store);
    assert_eq!(open_source(from.path()).unwrap().1, keys);

    // Keys of the source may have been added since the last pass, and the last one seals.
    drop(open_target(to.path(), &keys[..1]).unwrap());
    assert_eq!(sealing_keys::read(to.path()).unwrap(), keys[..1]);
    drop(open_target(to.path(), &keys).unwrap());
    assert_eq!(sealing_keys::read(to.path()).unwrap(), keys);
    let others = [vec![(KeyId(1), [3; 32])], vec![(KeyId(7), [7; 32])], keys[..1].to_vec()];
    for others in others {
        let error = open_target(to.path(), &others).map(drop).unwrap_err().to_string();
        assert!(error.contains("belongs to another service"), "{error}");
    }
    for name in [sealing_keys::FILE_NAME, sealing_keys::COPY_NAME] {
        std::fs::remove_file(to.path().join(name)).unwrap();
    }
    let error = open_target(to.path(), &keys).map(drop).unwrap_err().to_string();
    assert!(error.contains("without sealing keys"), "{error}");
}

/// Records of an archive come from outside.
#[test]
fn records_in_another_order_are_refused() {
    let source: Backend = MemoryStore::default().into();
    commit(&source, vec![inbox(agent(1)), inbox(agent(2)), subscription(1, 1, 0), subscription(2, 1, 0)]);
    commit(&source, vec![message(1, 1, [1; 16], false), message(2, 1, [2; 16], false)]);
    let all: Vec<Record> = snapshot(&source).collect::<Result<_, _>>().unwrap();
    let mut refused = BTreeMap::new();
    for (one, other) in (0..all.len()).flat_map(|one| (one + 1..all.len()).map(move |other| (one, other))) {
        let mut swapped = all.clone();
        swapped.swap(one, other);
        let target: Backend = MemoryStore::default().into();
        let result = synchronize(Box::new(swapped.into_iter().map(Ok)), &target, snapshot(&target), |_| {});
        refused.insert((one, other), result.is_err());
    }
    assert!(refused.values().all(|is_refused| *is_refused), "{refused:?}");
}
