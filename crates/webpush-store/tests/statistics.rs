//! Metrics of the embedded store.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::commit_blocking;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Durability, Op, Statistics, Store as _, StoreError};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SENDER: InboxId = InboxId::from_bytes([2; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([3; 16]);

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, Options::default()).unwrap()
}

fn statistics(store: &EmbeddedStore) -> Statistics {
    store.statistics().unwrap()
}

/// Returns the number of entries that the store reports, once it has counted them.
fn entries(store: &EmbeddedStore) -> u64 {
    let begun = Instant::now();
    loop {
        match statistics(store).entries {
            Some(entries) => return entries,
            None => assert!(begun.elapsed() < Duration::from_secs(60), "they are never counted"),
        }
        thread::yield_now();
    }
}

fn seed(store: &EmbeddedStore) {
    let created = Timestamp::from_millis(1);
    let inbox = |id, owner| Op::CreateInbox(Inbox { id, owner, created, key: KeyId(1) });
    let protocol = Protocol::Rfc8030;
    let subscription =
        Subscription { agent: AGENT, id: SUBSCRIPTION, created, key: KeyId(1), sender: None, protocol };
    commit_blocking(
        store,
        vec![inbox(AGENT, Owner::Agent), inbox(SENDER, Owner::Receipts), Op::Subscribe(subscription)],
    );
}

fn message(number: u8, receipt: Option<InboxId>) -> Op {
    Op::Append(Draft {
        id: MessageId::from_bytes([number; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt,
        body: Bytes::from_static(b"opaque"),
    })
}

fn append(store: &EmbeddedStore, ops: Vec<Op>) -> Vec<EntryRef> {
    let entry = |applied: &Applied| match applied {
        Applied::Appended(appended) => appended.message.entry_ref(),
        other => panic!("{other:?}"),
    };
    commit_blocking(store, ops).iter().map(entry).collect()
}

#[test]
fn entries_are_counted_with_each_change_and_again_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    seed(&store);
    assert_eq!(entries(&store), 0);
    let all = append(&store, (1..=5).map(|number| message(number, Some(SENDER))).collect());
    assert_eq!(entries(&store), 5);
    commit_blocking(
        &store,
        vec![Op::Settle(all[0], Outcome::Delivered), Op::Settle(all[1], Outcome::Delivered)],
    );
    assert_eq!(entries(&store), 5, "two are receipts now");
    // One is put and settled in one commit; the second settle of it comes too late.
    let settle = Op::Settle(all[2], Outcome::Replaced);
    commit_blocking(&store, vec![message(6, None), settle.clone(), settle]);
    assert_eq!(entries(&store), 5);
    for flushed in [false, true] {
        if flushed {
            store.flush();
        }
        // As it would be after a crash, and as it is.
        let copy = tempfile::tempdir().unwrap();
        let status =
            std::process::Command::new("cp").arg("-r").arg(directory.path()).arg(copy.path()).status();
        assert!(status.unwrap().success());
        let copied = open(&copy.path().join(directory.path().file_name().unwrap()));
        assert_eq!(entries(&copied), 5, "{flushed}");
        append(&copied, vec![message(7, None)]);
        assert_eq!(entries(&copied), 6);
    }
    store.close();
    let store = open(directory.path());
    commit_blocking(&store, vec![Op::RemoveInbox(SENDER)]);
    assert_eq!(entries(&store), 3);
    commit_blocking(&store, vec![Op::RemoveInbox(AGENT)]);
    assert_eq!(entries(&store), 0);
}

#[test]
fn commits_are_counted_and_timed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    seed(&store);
    let entry = append(&store, vec![message(1, None)])[0];
    let (sender, lazy) = std::sync::mpsc::channel();
    let done = Box::new(move |result: Result<Vec<Applied>, StoreError>| sender.send(result.is_ok()).unwrap());
    store.commit(vec![Op::Settle(entry, Outcome::Delivered)], Durability::Lazy, done);
    assert!(lazy.recv().unwrap());
    let Statistics { is_up, outages, waiting, commits, syncs, groups, .. } = statistics(&store);
    let count = |counts: &[u64]| counts.iter().sum::<u64>();
    assert!(is_up && (outages, waiting) == (0, 0));
    assert_eq!((count(&commits.counts), count(&syncs.counts)), (2, 2), "what is lazy is not waited for");
    assert_eq!((count(&groups.counts), groups.sum), (3, 3));
    assert!(commits.sum >= syncs.sum);
    let before = statistics(&store);
    assert!(before.log_bytes > 0 && before.memtable_bytes > 0);
    store.flush();
    let after = statistics(&store);
    assert_eq!(after.flushes, before.flushes + 1);
    assert_eq!(after.log_written_bytes, before.log_written_bytes);
    store.close();
    assert!(!statistics(&store).is_up);
}
