//! The store on PostgreSQL after a panic in one of its tasks.
//!
//! `cargo xtask postgres -- cargo test -p webpush-store --test postgres_panics -- --ignored` starts a server for it.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails must stop the test")]
#![allow(dead_code, reason = "other tests use the rest of the shared parts")]

#[path = "shared/cluster.rs"]
mod cluster;
#[path = "shared/faults.rs"]
mod faults;
#[path = "shared/missed.rs"]
mod missed;
#[path = "shared/panics.rs"]
mod panics;

use cluster::{PATIENCE, query, until, until_row};
use faults::*;
use missed::Missed;
use panics::{PanickingLog, PanickingObserver};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use webpush_core::inbox::OutboundEntry;
use webpush_core::message::Draft;
use webpush_store::postgres::PostgresStore;
use webpush_store::{Applied, Notice, Store as _, StoreError};

/// Returns a runtime of one thread, so that the log of the thread is that of all tasks.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn append_soon(store: &PostgresStore, number: u64) -> Result<Applied, StoreError> {
    timeout(PATIENCE, append(store, number)).await.expect("a result comes")
}

/// Returns the number of gaps that the other nodes are told of.
fn gaps(store: &PostgresStore) -> u64 {
    store.statistics().and_then(|statistics| statistics.cluster).unwrap().gaps
}

fn is_up(store: &PostgresStore) -> bool {
    store.statistics().unwrap().is_up
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_lane_goes_on_after_a_panic() {
    runtime().block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        let observer = Arc::<PanickingObserver>::default();
        store.watch(Arc::clone(&observer) as _);
        let missed = Missed::watch(&store);
        observer.commits.store(1, Ordering::Release);
        let before = missed.count();
        assert_eq!(append_soon(&store, 1).await, Err(StoreError::Unavailable));
        until("the store is down", async || !is_up(&store)).await;
        // Of the same inbox, which must not stay busy.
        assert!(matches!(append_soon(&store, 1).await, Ok(Applied::Duplicate(_))));
        assert!(matches!(append_soon(&store, 2).await, Ok(Applied::Appended(_))));
        assert_eq!(numbers(&store).await, [1, 2]);
        assert!(is_up(&store) && missed.count() > before && gaps(&store) == 1);
        // Panics that do not end do not hold up the end of the store, either.
        observer.commits.store(usize::MAX, Ordering::Release);
        observer.missed.store(usize::MAX, Ordering::Release);
        assert_eq!(append_soon(&store, 3).await, Err(StoreError::Unavailable));
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_group_that_was_committed_before_a_panic_is_found() {
    let log = PanickingLog::default();
    let _set = tracing::subscriber::set_default(log.clone());
    runtime().block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        let lane = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'webpush-lane'";
        query(&database.client, lane).await;
        // After the commit, before its group is known not to be in doubt.
        log.panic_at("can be written again");
        let appended = append_soon(&store, 1).await;
        assert_eq!((appended, log.is_done()), (Err(StoreError::Unavailable), true));
        assert!(matches!(append_soon(&store, 1).await, Ok(Applied::Duplicate(_))));
        assert!(append_soon(&store, 2).await.is_ok());
        assert_eq!(numbers(&store).await, [1, 2]);
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn the_listener_and_the_sender_of_notices_go_on_after_a_panic() {
    let log = PanickingLog::default();
    let _set = tracing::subscriber::set_default(log.clone());
    runtime().block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        until_row(&database.client, "SELECT 1 FROM faults.node").await;
        let observer = Arc::<PanickingObserver>::default();
        let other = store.handle();
        other.watch(Arc::clone(&observer) as _);
        until_row(&database.client, "SELECT 1 FROM faults.node HAVING count(*) = 2").await;
        let listens = || other.statistics().unwrap().cluster.unwrap().listens;
        let before = listens();
        observer.notices.store(1, Ordering::Release);
        store.notify(Notice::Stored(AGENT));
        until("it listens again", async || listens() > before).await;
        until("it is up", async || is_up(&other)).await;

        log.panic_at("too large to be offered");
        let large = Draft { body: vec![0; 8000].into(), ..message(1, 1) };
        store.notify(Notice::Offered(OutboundEntry::Unstored(Arc::new(large))));
        store.notify(Notice::Removed(AGENT, None));
        until("a gap is told", async || gaps(&store) == 1).await;
        assert!(log.is_done());
        observer.notices.store(1, Ordering::Release);
        store.notify(Notice::Stored(AGENT));
        until("a notice is heard", async || observer.notices.load(Ordering::Acquire) == 0).await;
        let waiting = || store.statistics().unwrap().cluster.unwrap().waiting_notices;
        until("none wait", async || waiting() == 0).await;
    });
}
