//! The embedded store does what the model does, for any operations.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, reason = "what fails must stop the test")]

#[path = "shared/operations.rs"]
mod operations;

use operations::{all_inboxes, assert_same, check, commit, entries, entry, operations, quota, step};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::time::Duration;
use webpush_core::time::Timestamp;
use webpush_store::contract::block_on;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::memory::MemoryStore;
use webpush_store::{Applied, Detail, Durability, Op, Store};

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
        commit(&model, all_inboxes(), Durability::Lazy);
        commit(&store, all_inboxes(), Durability::Lazy);
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
