//! Damaged rows, which only tests inside the crate can make.

use super::*;
use crate::Quota;
use crate::contract::{block_on, commit_blocking};
use crate::{Applied, SettleResult};
use bytes::Bytes;
use key::Key;
use rows::{deadline_key, entry_key};
use std::sync::atomic::{AtomicBool, Ordering};
use value::Value;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::MessageId;
use webpush_core::inbox::Owner;
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::Protocol;
use webpush_core::urgency::Urgency;

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const EXPIRES: Timestamp = Timestamp::from_millis(100);

fn message(number: u32) -> Op {
    Op::Append(Draft {
        id: MessageId::from_bytes(u128::from(number).to_be_bytes()),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: EXPIRES,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from_static(b"opaque"),
    })
}

/// A store with three messages.
fn store(directory: &Path) -> (EmbeddedStore, Vec<EntryRef>) {
    let store = EmbeddedStore::open(directory, Options::default()).unwrap();
    let created = Timestamp::from_millis(1);
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created, key: KeyId(1) };
    let protocol = Protocol::Rfc8030;
    let subscription =
        Subscription { agent: AGENT, id: SUBSCRIPTION, created, key: KeyId(1), sender: None, protocol };
    commit_blocking(&store, vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)]);
    let applied = commit_blocking(&store, vec![message(1), message(2), message(3)]);
    (store, appended(&applied))
}

fn remove(store: &EmbeddedStore, table: Table, key: &[u8]) {
    change(store, table, key, |_| None);
}

/// Changes the byte at `index` of a row; from the end when it is negative.
fn damage(store: &EmbeddedStore, table: Table, key: &[u8], index: isize) {
    let flip = |value: Value| {
        let mut value = value.to_vec();
        let index = index.rem_euclid(value.len() as isize) as usize;
        value[index] ^= 1;
        Some(Value::from(value))
    };
    change(store, table, key, flip);
}

/// Changes a row in the engine, where all are by then.
fn change(store: &EmbeddedStore, table: Table, key: &[u8], change: impl FnOnce(Value) -> Option<Value>) {
    store.flush();
    let change = |rows: &Reader<'_>| {
        let value = change(rows.engine.get(table, key)?.unwrap());
        rows.engine.write([(table, Key::from(key), &value)].into_iter()).unwrap();
        store.shared.rows.clear();
        Ok(())
    };
    store.read(change).unwrap();
}

fn fetch(store: &EmbeddedStore) -> Vec<EntryRef> {
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let page = block_on(store.fetch(&scope, Position::START, Timestamp::from_millis(1))).unwrap();
    page.entries.iter().map(Entry::entry_ref).collect()
}

fn rows_left(store: &EmbeddedStore, table: Table) -> usize {
    store.flush();
    let count = |rows: &Reader<'_>| {
        let keys = Key::from([0; 1])..=Key::from([u8::MAX; 33]);
        Ok(rows.engine.scan(table, keys).count())
    };
    store.read(count).unwrap()
}

#[test]
fn a_damaged_entry_hides_no_other_and_can_be_ended() {
    let directory = tempfile::tempdir().unwrap();
    let (store, all) = store(directory.path());
    damage(&store, Table::Entries, &entry_key(AGENT, all[1].position), -6);
    assert_eq!(fetch(&store), [all[0], all[2]]);
    assert_eq!(store.damaged_records(), 1);
    assert_eq!(block_on(store.entry(&all[1])), Err(StoreError::Corrupt));
    let settled = SettleResult {
        accepted: Some(Timestamp::from_millis(1)),
        ..SettleResult::new(all[1], Outcome::Expired)
    };
    let settled = Applied::Settled(settled);
    assert_eq!(commit_blocking(&store, vec![Op::Settle(all[1], Outcome::Expired)]), [settled]);
    assert_eq!((rows_left(&store, Table::Entries), rows_left(&store, Table::Deadlines)), (2, 2));
}

#[test]
fn a_deadline_without_its_message_does_not_keep_the_sweep_busy() {
    let directory = tempfile::tempdir().unwrap();
    let (store, all) = store(directory.path());
    damage(&store, Table::Entries, &entry_key(AGENT, all[0].position), 5);
    damage(&store, Table::Deadlines, &deadline_key(EXPIRES, AGENT, all[1].position), 5);
    assert_eq!(block_on(store.due(EXPIRES, 10)), Ok(Due { entries: vec![all[2]], next: None }));
    commit_blocking(&store, vec![Op::RemoveInbox(AGENT)]);
    assert_eq!(rows_left(&store, Table::Entries), 0);
    assert_eq!(block_on(store.due(EXPIRES, 10)), Ok(Due::default()));
}

/// While others look up a row all the time: once its removal was reported, it is never seen again.
#[test]
fn a_look_up_never_brings_a_removed_row_back() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(directory.path());
    let kept = block_on(store.subscription(AGENT, SUBSCRIPTION)).unwrap().unwrap();
    let inbox = block_on(store.inbox(AGENT)).unwrap().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    block_on(store.subscription(AGENT, SUBSCRIPTION)).unwrap();
                    block_on(store.inbox(AGENT)).unwrap();
                }
            });
        }
        for round in 0..300 {
            let removal =
                if round % 2 == 0 { Op::Unsubscribe(AGENT, SUBSCRIPTION) } else { Op::RemoveInbox(AGENT) };
            commit_blocking(&store, vec![removal.clone()]);
            let is_gone = (block_on(store.inbox(AGENT)), block_on(store.subscription(AGENT, SUBSCRIPTION)));
            commit_blocking(
                &store,
                vec![removal, Op::CreateInbox(inbox.clone()), Op::Subscribe(kept.clone())],
            );
            let is_back = block_on(store.subscription(AGENT, SUBSCRIPTION));
            if is_gone.1 != Ok(None) || (round % 2 == 1 && is_gone.0 != Ok(None)) || is_back == Ok(None) {
                over.store(true, Ordering::Relaxed);
                panic!("round {round}");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_damaged_usage_row_is_made_again_from_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { quota: Quota { messages: 3, ..Quota::default() }, ..Options::default() };
    drop(store(directory.path()));
    let store = EmbeddedStore::open(directory.path(), options).unwrap();
    let dropped = |number| match &commit_blocking(&store, vec![message(number)])[..] {
        [Applied::Appended(appended)] => appended.dropped.len(),
        _ => unreachable!(),
    };
    assert_eq!((dropped(4), dropped(5)), (1, 1));
    damage(&store, Table::Usages, AGENT.as_bytes(), 3);
    let hours = |hours: u64| Timestamp::from_millis(hours * 3_600_000);
    let check = IdleCheck { now: hours(10_000), limits: crate::IdleLimits::default() };
    assert_eq!(block_on(store.idle(&check, 10)), Ok(Vec::new()), "nobody can tell");
    assert_eq!((dropped(6), fetch(&store).len()), (1, 3));
    assert_eq!(rows_left(&store, Table::Ranks), 3);
    assert_eq!(block_on(store.idle(&check, 10)), Ok(vec![AGENT]), "its place was found");
    commit_blocking(&store, vec![Op::Touch(AGENT, hours(9_999))]);
    assert_eq!(block_on(store.idle(&check, 10)), Ok(Vec::new()));
    commit_blocking(&store, vec![Op::RemoveInbox(AGENT)]);
    for table in [Table::Entries, Table::Deadlines, Table::Usages, Table::Idle, Table::Ranks] {
        assert_eq!(rows_left(&store, table), 0, "{table:?}");
    }
}

#[test]
fn damaged_entries_and_lost_ones_leave_the_count_right() {
    let directory = tempfile::tempdir().unwrap();
    let (full, all) = store(directory.path());
    drop(full);
    let options = Options { quota: Quota { messages: 2, ..Quota::default() }, ..Options::default() };
    let store = EmbeddedStore::open(directory.path(), options).unwrap();
    commit_blocking(&store, vec![message(4)]);
    assert_eq!(fetch(&store).len(), 2);
    // An entry of an invalid kind cannot be ended like a message.
    let left = fetch(&store);
    damage(&store, Table::Entries, &entry_key(AGENT, left[0].position), 1);
    commit_blocking(&store, vec![message(5), message(6)]);
    assert_eq!(fetch(&store).len(), 2);
    assert_eq!((rows_left(&store, Table::Entries), rows_left(&store, Table::Ranks)), (2, 2));
    let lost = fetch(&store)[0];
    remove(&store, Table::Entries, &entry_key(AGENT, lost.position));
    commit_blocking(&store, vec![message(7), message(8)]);
    assert_eq!(fetch(&store).len(), 2);
    assert!(all.iter().all(|entry| block_on(store.entry(entry)) == Ok(None)));
}

#[test]
fn a_request_that_meets_damage_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, all) = store(directory.path());
    damage(&store, Table::Inboxes, AGENT.as_bytes(), -1);
    assert_eq!(block_on(store.inbox(AGENT)), Err(StoreError::Corrupt));
    let engine = store.shared.engine.read().unwrap();
    let engine = engine.as_ref().unwrap();
    let layers = memtables::MemtableLayers { memtables: store.shared.memtables.read(), engine };
    let mut changes = changes::Changes::new(layers);
    changes.put(Table::Topics, b"kept", Value::from(b"1"));
    changes.accept_request();
    changes.put(Table::Topics, b"kept", Value::from(b"2"));
    changes.put(Table::Topics, b"new", Value::from(b"3"));
    changes.remove(Table::Entries, &entry_key(AGENT, all[0].position));
    changes.take_request_back();
    assert_eq!(changes.get(Table::Topics, b"kept"), Ok(Some(Value::from(b"1"))));
    assert_eq!(changes.get(Table::Topics, b"new"), Ok(None));
    let keys = entry_key(AGENT, Position::START).into()..=entry_key(AGENT, Position::new(9)).into();
    assert_eq!(changes.scan(Table::Entries, keys).count(), 3);
}

fn appended(applied: &[Applied]) -> Vec<EntryRef> {
    let entry = |applied: &Applied| match applied {
        Applied::Appended(appended) => appended.message.entry_ref(),
        _ => unreachable!(),
    };
    applied.iter().map(entry).collect()
}

#[test]
fn a_message_that_is_settled_young_never_gets_to_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let (store, all) = store(directory.path());
    store.flush();
    let rows = |rows: &Reader<'_>| {
        let keys = || Key::from([0; 1])..=Key::from([u8::MAX; 33]);
        Ok(Table::ALL.map(|table| rows.engine.scan(table, keys()).collect::<Vec<_>>()))
    };
    let mut before = store.read(rows).unwrap();
    for number in 4..100 {
        let [entry] = appended(&commit_blocking(&store, vec![message(number)]))[..] else { unreachable!() };
        commit_blocking(&store, vec![Op::Settle(entry, Outcome::Delivered)]);
    }
    let left = |memtables: &memtables::Memtables| {
        let tables = [Table::Entries, Table::Deadlines];
        tables.map(|table| memtables.range(table, Key::from([])..=Key::from([u8::MAX; 33])).count())
    };
    assert_eq!(left(&store.shared.memtables.read()), [0, 0]);
    store.flush();
    let mut after = store.read(rows).unwrap();
    // Only the mark of the flush was added.
    before[Table::Batches as usize].clear();
    after[Table::Batches as usize].clear();
    assert!(before == after);
    assert_eq!(fetch(&store), all);
    // The engine does not know the last position, and yet none is assigned again.
    store.shared.rows.clear();
    let [next] = appended(&commit_blocking(&store, vec![message(100)]))[..] else { unreachable!() };
    assert!(next.position.get() > all[2].position.get() + 96, "{next:?}");
    drop(store);
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let [last] = appended(&commit_blocking(&store, vec![message(101)]))[..] else { unreachable!() };
    assert!(last.position > next.position);
}

/// Two messages are added in one commit and removed in another, while memtables are being flushed.
#[test]
fn readers_see_whole_commits_while_memtables_are_flushed() {
    let directory = tempfile::tempdir().unwrap();
    drop(store(directory.path()));
    let mut options = Options::default();
    options.memtable.bytes = 2000;
    let store = EmbeddedStore::open(directory.path(), options).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let there = fetch(&store);
                    assert_eq!(there.len() % 2, 1, "three, and then pairs");
                    assert!(there.is_sorted_by_key(|entry| entry.position));
                    let due = block_on(store.due(EXPIRES, 1000)).unwrap();
                    assert!(due.entries.len() >= 3, "three are always there");
                }
            })
        });
        let mut pairs = std::collections::VecDeque::new();
        for round in 0..400 {
            let messages = vec![message(2 * round + 4), message(2 * round + 5)];
            let pair = appended(&commit_blocking(&store, messages));
            assert!(pair.iter().all(|entry| block_on(store.entry(entry)).unwrap().is_some()));
            pairs.push_back(pair);
            if pairs.len() > 13 {
                let pair = pairs.remove(round as usize % 13).unwrap();
                commit_blocking(
                    &store,
                    pair.iter().map(|entry| Op::Settle(*entry, Outcome::Delivered)).collect(),
                );
                assert!(pair.iter().all(|entry| block_on(store.entry(entry)) == Ok(None)));
            }
            if readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// A fetch that meets more rows of removed entries than it may scan.
#[test]
fn entries_that_are_gone_are_no_rows_to_a_fetch() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(directory.path());
    let all = appended(&commit_blocking(&store, (10..2510).map(message).collect()));
    store.flush();
    let gone = [&all[..10], &all[20..2400]].concat();
    commit_blocking(&store, gone.iter().map(|entry| Op::Settle(*entry, Outcome::Delivered)).collect());
    commit_blocking(&store, vec![message(9)]);
    assert_eq!(fetch(&store).len(), 32);
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let page = block_on(store.fetch(&scope, all[19].position, Timestamp::from_millis(1))).unwrap();
    assert_eq!(page.entries.first().map(Entry::position), Some(all[2400].position));
    let due = block_on(store.due(EXPIRES, 10_000)).unwrap();
    assert_eq!(due.entries.len(), 3 + 2500 - gone.len() + 1);
}

#[test]
fn a_snapshot_keeps_no_store_from_closing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(directory.path());
    store.flush();
    let mut snapshot = block_on(store.snapshot(&Detail::EVERYTHING)).unwrap();
    assert!(snapshot.next().unwrap().is_ok());
    store.close();
    assert_eq!(snapshot.next(), Some(Err(StoreError::Unavailable)));
    // Closing does not wait for a slow reader.
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    assert_eq!(fetch(&store).len(), 3);
}

#[test]
fn what_is_damaged_is_not_in_a_snapshot_which_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (store, entries) = store(directory.path());
    damage(&store, Table::Entries, &entry_key(AGENT, entries[1].position), -1);
    let records: Vec<_> = block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().collect();
    let whole = records.iter().filter(|record| record.is_ok()).count();
    assert_eq!(whole, 5, "a position, an inbox, a subscription and two messages");
    assert_eq!(records.last(), Some(&Err(StoreError::Unreadable)), "a copy is not complete");
    assert_eq!(store.damaged_records(), 1);
}

#[test]
fn what_is_put_back_and_ends_young_does_not_come_again() {
    for flushed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (store, entries) = store(directory.path());
        let records: Vec<_> =
            block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().map(Result::unwrap).collect();
        if flushed {
            store.flush();
        }
        // All of it is in one memtable, on top of the rows in the engine.
        commit_blocking(&store, vec![Op::RemoveInbox(AGENT)]);
        let restore = commit_blocking(&store, records.into_iter().map(Op::Restore).collect());
        assert!(restore.iter().all(|applied| *applied == Applied::Created));
        assert_eq!(fetch(&store), entries);
        commit_blocking(&store, entries.iter().map(|entry| Op::Settle(*entry, Outcome::Delivered)).collect());
        assert_eq!(fetch(&store), []);
        store.flush();
        assert_eq!((fetch(&store), rows_left(&store, Table::Deadlines)), (vec![], 0));
    }
}
