//! Migration of a directory from a build with store format 2: URLs issued before continue to work.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::fs;
use std::path::Path;
use std::process::Command;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, SenderKey};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::contract::{block_on, commit_blocking};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Op, Quota, Store};

/// Has a subscription of each protocol, messages 11 and 12 in the engine, and 13 in the log.
const AGENT: InboxId = InboxId::from_bytes([1; 16]);
/// Got messages 20 to 24, and may hold three.
const FULL: InboxId = InboxId::from_bytes([2; 16]);
/// Has the receipt for message 10, which was acknowledged; the one for message 11 is still owed.
const RECEIPTS: InboxId = InboxId::from_bytes([3; 16]);
const PLAIN: SubscriptionId = SubscriptionId::from_bytes([4; 16]);
const LEGACY: SubscriptionId = SubscriptionId::from_bytes([5; 16]);
const AUTOPUSH: SubscriptionId = SubscriptionId::from_bytes([6; 16]);
const CHANNEL: ChannelId = ChannelId::from_bytes([9; 16]);

/// The agent, number and position of each message: what its URL holds.
const MESSAGES: [(InboxId, u8, u64); 9] = [
    (AGENT, 10, 1),
    (AGENT, 11, 2),
    (AGENT, 12, 3),
    (FULL, 20, 5),
    (FULL, 21, 6),
    (FULL, 22, 7),
    (FULL, 23, 8),
    (FULL, 24, 9),
    (AGENT, 13, 10),
];

fn unpacked() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format-2/directory.tar.gz");
    let unpacking = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(directory.path()).status();
    assert!(unpacking.unwrap().success());
    directory
}

fn open(directory: &Path) -> EmbeddedStore {
    let quota = Quota { messages: 3, ..Quota::default() };
    let store = EmbeddedStore::open(directory, Options { quota, ..Options::default() }).unwrap();
    assert_eq!((store.recovery().batches_lost, store.damaged_records()), (0, 0));
    store
}

fn named(number: u8) -> EntryRef {
    let (inbox, _, position) = *MESSAGES.iter().find(|message| message.1 == number).unwrap();
    EntryRef { inbox, position: Position::new(position), message: MessageId::from_bytes([number; 16]) }
}

fn contents(store: &EmbeddedStore, inbox: InboxId, after: Position) -> Vec<Entry> {
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
    block_on(store.fetch(&scope, after, Timestamp::from_millis(2_000))).unwrap().entries
}

fn draft(agent: InboxId, number: u8) -> Draft {
    Draft {
        id: MessageId::from_bytes([number; 16]),
        agent,
        subscription: PLAIN,
        accepted: Timestamp::from_millis(2_000),
        expires: Timestamp::from_millis(4_000_000_000_000),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::new(),
    }
}

#[test]
fn everything_of_format_2_is_found() {
    let directory = unpacked();
    let store = open(directory.path());
    assert_eq!(fs::read_to_string(directory.path().join("format")).unwrap(), "webpush-server store 4\n");
    let there = MESSAGES.map(|(_, number, _)| block_on(store.entry(&named(number))).unwrap().is_some());
    assert_eq!(there, [false, true, true, false, false, true, true, true, true]);
    let Ok(Some(Entry::Message(message))) = block_on(store.entry(&named(11))) else { panic!("11 is there") };
    assert_eq!((&message.body[..], message.topic), (&b"message 11"[..], Topic::parse(b"news")));
    let created = Timestamp::from_millis(1);
    let agent = Inbox { id: AGENT, owner: Owner::Agent, created, key: KeyId(1) };
    assert_eq!(block_on(store.inbox(AGENT)), Ok(Some(agent)));
    let protocol = |id| block_on(store.subscription(AGENT, id)).unwrap().unwrap().protocol;
    let protocols = [Protocol::Rfc8030, Protocol::Legacy, Protocol::Autopush(CHANNEL)];
    assert_eq!([PLAIN, LEGACY, AUTOPUSH].map(protocol), protocols);
    assert_eq!(block_on(store.channel(AGENT, CHANNEL)).unwrap().unwrap().id, AUTOPUSH);
    let restricted = block_on(store.subscription(AGENT, PLAIN)).unwrap().unwrap();
    assert_eq!(restricted.sender, Some(SenderKey([4; 65])));

    let settle = |number| commit_blocking(&store, vec![Op::Settle(named(number), Outcome::Delivered)]);
    let [Applied::Settled(settled)] = &settle(11)[..] else { panic!("11 is settled") };
    assert!(settled.receipt.is_some());
    assert_eq!(settle(10), [Applied::Missing], "10 was acknowledged before");
    let about: Vec<_> =
        contents(&store, RECEIPTS, Position::START).iter().map(|entry| entry.entry_ref().message).collect();
    assert_eq!(about, [10, 11].map(|number| MessageId::from_bytes([number; 16])));
}

#[test]
fn positions_go_on_behind_those_of_format_2() {
    let directory = unpacked();
    let store = open(directory.path());
    let last = named(13).position;
    for _ in 0..2 {
        let replacing = Draft { topic: Topic::parse(b"news"), ..draft(AGENT, 30) };
        let applied = commit_blocking(&store, vec![Op::Append(replacing), Op::Append(draft(FULL, 31))]);
        match &applied[..] {
            [Applied::Appended(first), Applied::Appended(second)] => {
                assert!(first.message.position > last && second.message.position > last);
                assert_eq!((first.replaced, second.dropped.len()), (Some(named(11)), 1));
                assert_eq!(second.dropped, [named(22)], "the oldest");
            }
            [Applied::Duplicate(_), Applied::Duplicate(_)] => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(contents(&store, AGENT, last).len(), 1, "who resumes after the last one misses nothing");
    store.close();
    let store = open(directory.path());
    assert_eq!((contents(&store, AGENT, Position::START).len(), contents(&store, FULL, last).len()), (3, 1));
}
