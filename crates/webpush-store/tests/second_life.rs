//! Leftovers of one life of a store must not harm the next.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::block_on;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::simulation::{self, SimulatedClock};
use webpush_store::{Applied, Durability, Op, Store};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const NOW: Timestamp = Timestamp::from_millis(1);

/// A store whose memtables are flushed only on request.
fn open(directory: &Path) -> EmbeddedStore {
    let mut options = Options::default();
    options.memtable.age = Duration::from_secs(3600);
    EmbeddedStore::open(directory, options).unwrap()
}

/// A store with an agent, in this directory.
fn seed(directory: &Path) {
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created: NOW, key: KeyId(1) };
    let protocol = Protocol::Rfc8030;
    let subscription =
        Subscription { agent: AGENT, id: SUBSCRIPTION, created: NOW, key: KeyId(1), sender: None, protocol };
    commit(&open(directory), vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)], Durability::Durable);
}

fn commit(store: &EmbeddedStore, ops: Vec<Op>, durability: Durability) -> Vec<Applied> {
    let (sender, receiver) = mpsc::channel();
    store.commit(ops, durability, Box::new(move |result| drop(sender.send(result))));
    receiver.recv().unwrap().unwrap()
}

fn append(store: &EmbeddedStore, number: u8, durability: Durability) -> EntryRef {
    let message = Draft {
        id: MessageId::from_bytes([number; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: NOW,
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(vec![number; 6000]),
    };
    match commit(store, vec![Op::Append(message)], durability).pop() {
        Some(Applied::Appended(appended)) => appended.message.entry_ref(),
        other => unreachable!("{other:?}"),
    }
}

fn numbers(store: &EmbeddedStore) -> Vec<u8> {
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let page = block_on(store.fetch(&scope, Position::START, NOW)).unwrap();
    page.entries.iter().map(|entry| entry.entry_ref().message.as_bytes()[0]).collect()
}

/// Copies everything, as a kill at this moment would leave it.
fn killed(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(path, copied).unwrap();
        }
    }
}

/// Returns the active segment.
fn segment(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory.join("log")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "frames")).max().unwrap()
}

#[test]
fn frames_behind_one_that_was_torn_are_never_taken_for_later_ones() {
    let first = tempfile::tempdir().unwrap();
    seed(first.path());
    let store = open(first.path());
    let entry = append(&store, 1, Durability::Lazy);
    commit(&store, vec![Op::Settle(entry, Outcome::Delivered)], Durability::Lazy);
    // A power cut: of the two frames the first never got to the disk.
    let second = killed(first.path());
    let mut content = fs::read(segment(second.path())).unwrap();
    content[8..4096].fill(0);
    fs::write(segment(second.path()), content).unwrap();
    let store = open(second.path());
    assert_eq!(numbers(&store), [0_u8; 0]);
    append(&store, 2, Durability::Durable);
    let third = killed(second.path());
    assert_eq!(numbers(&open(third.path())), [2]);
}

#[test]
fn a_memtable_without_frames_has_no_segment_to_give_away() {
    let directory = tempfile::tempdir().unwrap();
    seed(directory.path());
    let store = open(directory.path());
    store.flush();
    store.flush();
    append(&store, 1, Durability::Durable);
    assert_eq!(numbers(&open(killed(directory.path()).path())), [1]);
    store.flush();
    append(&store, 2, Durability::Durable);
    assert_eq!(numbers(&open(killed(directory.path()).path())), [1, 2]);
}

#[test]
fn what_a_failed_store_left_is_written_anew_before_it_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    seed(directory.path());
    let store = open(directory.path());
    append(&store, 1, Durability::Durable);
    store.flush();
    append(&store, 2, Durability::Durable);
    let failed = killed(directory.path());
    assert!(failed.path().join("sound").exists());
    fs::rename(failed.path().join("sound"), failed.path().join("unsound")).unwrap();
    let old = segment(failed.path());
    let store = open(failed.path());
    assert!(failed.path().join("sound").exists() && !failed.path().join("unsound").exists());
    assert!(!old.exists(), "the engine was given everything before the store was used");
    assert_eq!((numbers(&store), store.recovery().batches_lost), (vec![1, 2], 0));
}

/// Only the watermark, which is outside the log, tells that its last frame is missing.
#[test]
fn a_lost_end_of_the_log_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    seed(directory.path());
    let clock = SimulatedClock::default();
    let mut options = Options { env: simulation::env(&clock, 1), ..Options::default() };
    options.memtable.age = Duration::MAX;
    let store = EmbeddedStore::open(directory.path(), options).unwrap();
    append(&store, 1, Durability::Durable);
    let end = fs::metadata(segment(directory.path())).unwrap().len();
    // It is written again after a second.
    clock.advance(Duration::from_secs(2));
    append(&store, 2, Durability::Durable);
    let damaged = killed(directory.path());
    OpenOptions::new().write(true).open(segment(damaged.path())).unwrap().set_len(end).unwrap();
    let store = open(damaged.path());
    assert_eq!((numbers(&store), store.recovery().batches_lost), (vec![1], 1));
}
