//! The store on PostgreSQL does what the model does, for any operations.
//!
//! `cargo xtask postgres -- cargo test -p webpush-store --test postgres_model -- --ignored` starts a server for it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails must stop the test")]

#[path = "shared/operations.rs"]
mod operations;
#[path = "shared/translated.rs"]
mod translated;

use operations::{all_inboxes, assert_same, check, commit, entries, entry, operations, quota, step, submit};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use translated::Translated;
use webpush_core::time::Timestamp;
use webpush_store::contract::block_on;
use webpush_store::memory::MemoryStore;
use webpush_store::postgres::{PostgresOptions, PostgresStore};
use webpush_store::{Applied, Detail, Durability, Op, Quota, Record, Store};

/// Runs the tasks of all stores.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Schemas made so far.
static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

/// Operations in a commit that restores records.
const RESTORED_TOGETHER: usize = 7;

/// Returns options for a new schema.
///
/// There is one connection, so that commits are applied in the order of submission.
fn options(quota: Quota) -> PostgresOptions {
    let url = std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres");
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    let schema = format!("model_{}_{number}", std::process::id());
    PostgresOptions { url, schema, quota, connections: 1, ..PostgresOptions::default() }
}

fn open(options: &PostgresOptions) -> PostgresStore {
    RUNTIME.block_on(PostgresStore::open(options.clone())).unwrap()
}

/// Removes the schema of a store that is closed.
fn drop_schema(options: &PostgresOptions) {
    RUNTIME.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&options.url, tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute(&format!("DROP SCHEMA {} CASCADE", options.schema)).await.unwrap();
        driver.abort();
    });
}

/// Restores records, several in each commit, and returns the results.
fn restore(store: &PostgresStore, records: Vec<Record>) -> Vec<Applied> {
    let ops: Vec<Op> = records.into_iter().map(Op::Restore).collect();
    let submitted: Vec<_> =
        ops.chunks(RESTORED_TOGETHER).map(|ops| submit(store, ops.to_vec(), Durability::Lazy)).collect();
    submitted.into_iter().flat_map(|result| result.recv().unwrap().unwrap()).collect()
}

/// Puts all records of the store into a new one, and the same records over themselves.
fn copied(store: &PostgresStore, options: &PostgresOptions) -> PostgresStore {
    let records: Vec<Record> =
        block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().collect::<Result<_, _>>().unwrap();
    let copy = open(options);
    let is_new = restore(&copy, records.clone());
    assert_eq!(is_new, vec![Applied::Created; records.len()]);
    let again = restore(&copy, records);
    assert!(again.iter().skip(1).all(|applied| *applied == Applied::Taken), "{again:?}");
    copy
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default()
    })]

    #[test]
    #[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
    fn the_store_on_postgresql_is_like_the_model(
        groups in vec((vec((vec(step(), 1..8), any::<bool>()), 1..4), 0..10_u64), 1..16),
        sought in vec(entry(), 10),
        reopen in 0..16_usize,
        copy in 0..16_usize,
        (quota, quota_then) in (quota(), quota()),
        check in check(),
    ) {
        // Reads need the timer of the runtime on the thread of the test.
        let _entered = RUNTIME.enter();
        let (first, second) = (options(quota), options(quota));
        let mut options = first.clone();
        let mut model = MemoryStore::with_quota(quota);
        let mut store = Translated::new(open(&options));
        let mut now = 10;
        assert_eq!(
            commit(&model, all_inboxes(), Durability::Lazy),
            commit(&store, all_inboxes(), Durability::Lazy)
        );
        for (number, (commits, pause)) in groups.into_iter().enumerate() {
            now += pause;
            let there = block_on(entries(&model));
            let submitted: Vec<_> = commits
                .into_iter()
                .map(|(steps, durable)| {
                    let ops = operations(steps, Timestamp::from_millis(now), &there);
                    let durability = if durable { Durability::Durable } else { Durability::Lazy };
                    (commit(&model, ops.clone(), durability), submit(&store, ops, durability))
                })
                .collect();
            for (expected, result) in submitted {
                let applied = result.recv().unwrap().unwrap();
                store.learn(&expected, &applied);
                assert_eq!(expected, store.translated(applied));
            }
            if number == copy {
                options = PostgresOptions { quota: options.quota, ..second.clone() };
                let copy = copied(store.inner(), &options);
                store.replace(copy);
                // A copy does not know the IDs of removed messages, like a store that was reopened.
                model = model.reopen();
            }
            if number == reopen {
                store.close();
                options.quota = quota_then;
                store.replace(open(&options));
                model = model.reopen_with(quota_then);
            }
            store.set_highest(&model);
            block_on(assert_same(&model, &store, Timestamp::from_millis(now), &check));
        }
        for entry in sought {
            assert_eq!(block_on(model.entry(&entry)), block_on(store.entry(&entry)));
        }
        store.close();
        drop_schema(&first);
        if options.schema == second.schema {
            drop_schema(&second);
        }
    }
}
