//! What a store does about rows that are not what was written. Only from inside can such rows be made.

use super::*;
use crate::contract::commit;
use crate::{Applied, Settled};
use bytes::Bytes;
use engine::{Rows, View};
use fjall::{PersistMode, Slice};
use rows::{deadline_key, entry_key};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::MessageId;
use webpush_core::inbox::Owner;
use webpush_core::message::Message;
use webpush_core::outcome::Outcome;
use webpush_core::urgency::Urgency;

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const EXPIRES: Timestamp = Timestamp::from_millis(100);

fn message(number: u8) -> Op {
    Op::Append(Message {
        id: MessageId::from_bytes([number; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        position: Position::START,
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
fn store(folder: &Path) -> (EmbeddedStore, Vec<EntryRef>) {
    let store = EmbeddedStore::open(folder, Options::default()).unwrap();
    let created = Timestamp::from_millis(1);
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created, key: KeyId(1) };
    let subscription = Subscription { agent: AGENT, id: SUBSCRIPTION, created, key: KeyId(1), sender: None };
    commit(&store, vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)]);
    let applied = commit(&store, vec![message(1), message(2), message(3)]);
    let entries = applied.iter().map(|applied| match applied {
        Applied::Appended(appended) => appended.message.entry_ref(),
        _ => unreachable!(),
    });
    let entries = entries.collect();
    (store, entries)
}

/// Changes the byte at `index` of a row; from the end when it is negative.
fn damage(store: &EmbeddedStore, table: Table, key: &[u8], index: isize) {
    let change = |engine: &Engine| {
        let mut value = engine.get(table, key)?.unwrap().to_vec();
        let index = index.rem_euclid(value.len() as isize) as usize;
        value[index] ^= 1;
        let mut rows: [Rows; Table::ALL.len()] = Default::default();
        rows[table as usize].insert(Slice::from(key), Some(Slice::from(value)));
        engine.write(rows, PersistMode::Buffer).unwrap();
        Ok(())
    };
    store.read(change).unwrap();
}

fn fetch(store: &EmbeddedStore) -> Vec<EntryRef> {
    let scope = Scope { inbox: AGENT, only: None, floor: Urgency::VeryLow };
    let page = store.fetch(&scope, Position::START, Timestamp::from_millis(1)).unwrap();
    page.entries.iter().map(Entry::entry_ref).collect()
}

fn rows_left(store: &EmbeddedStore, table: Table) -> usize {
    let count = |engine: &Engine| {
        let keys = Slice::from([0; 8])..=Slice::from([u8::MAX; 33]);
        Ok(engine.snapshot().scan(table, keys).count())
    };
    store.read(count).unwrap()
}

#[test]
fn a_damaged_entry_hides_no_other_and_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (store, all) = store(folder.path());
    damage(&store, Table::Entries, &entry_key(AGENT, all[1].position), -6);
    assert_eq!(fetch(&store), [all[0], all[2]]);
    assert_eq!(store.damaged_records(), 1);
    assert_eq!(store.entry(&all[1]), Err(StoreError::Corrupt));
    let settled = Applied::Settled(Settled::default());
    assert_eq!(commit(&store, vec![Op::Settle(all[1], Outcome::Expired)]), [settled]);
    assert_eq!((rows_left(&store, Table::Entries), rows_left(&store, Table::Deadlines)), (2, 2));
}

#[test]
fn a_deadline_without_its_message_does_not_keep_the_sweep_busy() {
    let folder = tempfile::tempdir().unwrap();
    let (store, all) = store(folder.path());
    damage(&store, Table::Entries, &entry_key(AGENT, all[0].position), 5);
    damage(&store, Table::Deadlines, &deadline_key(EXPIRES, AGENT, all[1].position), 5);
    assert_eq!(store.due(EXPIRES, 10), Ok(Due { entries: vec![all[2]], next: None }));
    commit(&store, vec![Op::RemoveInbox(AGENT)]);
    assert_eq!(rows_left(&store, Table::Entries), 0);
    assert_eq!(store.due(EXPIRES, 10), Ok(Due::default()));
}

#[test]
fn a_request_that_meets_damage_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, all) = store(folder.path());
    damage(&store, Table::Inboxes, AGENT.as_bytes(), -1);
    assert_eq!(store.inbox(AGENT), Err(StoreError::Corrupt));
    let engine = store.shared.engine.read().unwrap();
    let engine = engine.as_ref().unwrap();
    let mut changes = changes::Changes::new(engine);
    changes.put(Table::Topics, b"kept", Slice::from(b"1"));
    changes.accept_request();
    changes.put(Table::Topics, b"kept", Slice::from(b"2"));
    changes.put(Table::Topics, b"new", Slice::from(b"3"));
    changes.remove(Table::Entries, &entry_key(AGENT, all[0].position));
    changes.take_request_back();
    assert_eq!(changes.get(Table::Topics, b"kept"), Ok(Some(Slice::from(b"1"))));
    assert_eq!(changes.get(Table::Topics, b"new"), Ok(None));
    let keys = entry_key(AGENT, Position::START).into()..=entry_key(AGENT, Position::new(9)).into();
    assert_eq!(changes.scan(Table::Entries, keys).count(), 3);
}
