//! Notices of other nodes: messages that come with them, and notices that may be lost.
//!
//! `cargo xtask postgres -- cargo test -p webpush-store --test postgres_notices -- --ignored` starts a server for it.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails must stop the test")]
#![allow(dead_code, reason = "other tests use the rest of the shared parts")]

#[path = "shared/cluster.rs"]
mod cluster;
#[path = "shared/faults.rs"]
mod faults;
#[path = "shared/missed.rs"]
mod missed;

use cluster::{Directory, RUNTIME, WAITING, query, synchronous, until, until_row};
use faults::*;
use missed::Missed;
use std::sync::{Arc, Mutex};
use webpush_core::time::Timestamp;
use webpush_store::postgres::PostgresStore;
use webpush_store::{CommitEvent, CommitObserver, Notice, Op, Store as _};

/// Its message may have been delivered and acknowledged by then, in a session that has ended since.
#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_message_comes_with_its_notice_unless_its_commit_is_found_later() {
    let directory = Directory::create();
    let (primary, mut standby) = synchronous(&directory);
    let (store, client, heard) = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&primary.url(), 1)).await.unwrap();
        seed(&store).await;
        let other = store.handle();
        let heard = StoredNotices::watch(&other);
        let nodes = || store.statistics().unwrap().cluster.unwrap().nodes;
        until("it knows of the other node", async || nodes() == 2).await;
        append(&store, 1).await.unwrap();
        let mut first = Vec::new();
        until("the first is heard of", async || {
            first.extend(heard.take());
            !first.is_empty()
        })
        .await;
        assert!(
            matches!(&first[..], [Notice::StoredMessage(stored)] if stored.body == message(1, 1).body),
            "{first:?}"
        );
        (store, primary.client().await, (heard, other))
    });
    standby.stop("INT");
    let appended = RUNTIME.spawn(submit(&store, vec![Op::Append(message(1, 2))]));
    RUNTIME.block_on(async {
        until_row(&client, WAITING).await;
        query(&client, &format!("SELECT pg_terminate_backend(pid) FROM ({WAITING}) w")).await;
        until_row(&client, &format!("{WAITING} AND query LIKE 'SELECT last_group%'")).await;
    });
    standby.start();
    RUNTIME.block_on(async {
        drop(appended.await);
        let mut second = Vec::new();
        until("the second is heard of", async || {
            second.extend(heard.0.take());
            !second.is_empty()
        })
        .await;
        assert_eq!(second, [Notice::Stored(AGENT)]);
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn notices_that_may_be_lost_are_reported() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        append(&store, 1).await.unwrap();
        let missed = Missed::watch(&store);
        let beaten = "SELECT 1 FROM faults.node HAVING count(*) = 1";
        until_row(&database.client, beaten).await;
        let before = missed.count();
        let listener = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'webpush-listener'";
        query(&database.client, listener).await;
        until("the lost connection is reported", async || missed.count() > before).await;

        // Another node, which leads, comes and vanishes.
        let come = "INSERT INTO faults.node VALUES ('00000000-0000-0000-0000-000000000001', '', '', now(), now(), 0)";
        query(&database.client, come).await;
        until("the other node leads", async || !leads(&store).await).await;
        let before = missed.count();
        query(&database.client, "UPDATE faults.node SET gaps = 1, seen = now() WHERE id::text LIKE '00000000-%'").await;
        until("its gap is reported", async || missed.count() > before).await;
        let before = missed.count();
        query(&database.client, "UPDATE faults.node SET seen = now() - interval '20 s' WHERE id::text LIKE '00000000-%'").await;
        until("its end is reported", async || missed.count() > before).await;
        assert!(leads(&store).await);
    });
}

/// Returns true if the store lists what is due.
async fn leads(store: &PostgresStore) -> bool {
    let due = store.due(Timestamp::NEVER, 1).await.unwrap();
    !due.entries.is_empty()
}

/// Collects the notices of other nodes that something was stored.
#[derive(Default)]
struct StoredNotices(Mutex<Vec<Notice>>);

impl StoredNotices {
    fn watch(store: &PostgresStore) -> Arc<Self> {
        let notices = Arc::<Self>::default();
        store.watch(Arc::clone(&notices) as Arc<dyn CommitObserver>);
        notices
    }

    fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl CommitObserver for StoredNotices {
    fn committed(&self, _: &CommitEvent<'_>) {}

    fn failed(&self) {}

    fn missed(&self) {}

    fn noticed(&self, notice: &Notice) {
        if matches!(notice, Notice::Stored(_) | Notice::StoredMessage(_)) {
            self.0.lock().unwrap().push(notice.clone());
        }
    }
}
