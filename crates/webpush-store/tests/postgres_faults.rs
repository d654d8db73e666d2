//! The store on PostgreSQL while connections, servers and standbys fail.
//!
//! `cargo xtask postgres -- cargo test -p webpush-store --test postgres_faults -- --ignored` starts a server for it. Tests
//! that stop servers start their own.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails must stop the test")]

#[path = "shared/cluster.rs"]
mod cluster;
#[path = "shared/faults.rs"]
mod faults;

use cluster::{
    Directory, PATIENCE, RUNTIME, WAITING, client, query, query_until_other, synchronous, until, until_row,
};
use faults::*;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use webpush_core::id::{Position, SubscriptionId};
use webpush_store::postgres::PostgresStore;
use webpush_store::{Applied, Op, Store as _, StoreError};

/// Messages that each handle appends while something fails.
const MESSAGES: u64 = 400;

/// Connections of lanes that are ended meanwhile.
const KILLS: usize = 120;

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn connections_that_end_neither_lose_nor_repeat_a_message() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(2).await;
        seed(&store).await;
        let other = store.handle();
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'webpush-lane' ORDER BY random() LIMIT 1";
        let killing = async {
            // In steps that are no multiple of a connection's time, so that it is met everywhere.
            let mut ticks = interval(Duration::from_millis(23));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for _ in 0..KILLS {
                ticks.tick().await;
                query(&database.client, kill).await;
            }
        };
        let (first, second, ()) =
            tokio::join!(append_all(&store, 1, MESSAGES, &|_| ()), append_all(&other, 2, MESSAGES, &|_| ()), killing);
        assert_appended(&store, &[first, second]).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_server_that_crashes_loses_nothing() {
    let directory = Directory::create();
    let mut server = directory.server();
    let (appending, acknowledged) = start_appending(&server.url());
    for _ in 0..3 {
        (0..100).for_each(|_| acknowledged.recv().unwrap());
        server.stop("QUIT");
        server.start();
    }
    RUNTIME.block_on(async {
        let (store, appended) = appending.await.unwrap();
        drop(acknowledged);
        assert_appended(&store, &appended).await;
    });
}

/// Starts to append messages through two handles, and returns a channel of their acknowledgements.
fn start_appending(url: &str) -> (JoinHandle<(PostgresStore, [AppendedMessages; 2])>, Receiver<()>) {
    let (store, other) = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(url, 2)).await.unwrap();
        seed(&store).await;
        let other = store.handle();
        (store, other)
    });
    let (sender, acknowledged) = channel();
    let appending = RUNTIME.spawn(async move {
        let tell = |_| sender.send(()).unwrap();
        let appended =
            tokio::join!(append_all(&store, 1, MESSAGES, &tell), append_all(&other, 2, MESSAGES, &tell));
        (store, appended.into())
    });
    (appending, acknowledged)
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn nothing_is_accepted_while_no_standby_has_it() {
    let directory = Directory::create();
    let (primary, mut standby) = synchronous(&directory);
    let store = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&primary.url(), 2)).await.unwrap();
        seed(&store).await;
        append(&store, 1).await.unwrap();
        store
    });
    standby.stop("INT");
    let behind = RUNTIME.block_on(async {
        let (in_doubt, behind) = tokio::join!(
            timeout(PATIENCE, append(&store, 2)),
            // Of the same inbox, so that it waits for the first.
            timeout(PATIENCE, append(&store, 3)),
        );
        assert_eq!(in_doubt, Ok(Err(StoreError::Unavailable)));
        behind.expect("the second gets a response as well").unwrap_err()
    });
    standby.start();
    RUNTIME.block_on(async {
        until("appends work again", async || append(&store, 4).await.is_ok()).await;
        assert!(matches!(append(&store, 2).await, Ok(Applied::Duplicate(_))));
        let bodies: Vec<u64> = stored(&store).await.into_iter().map(|(_, number)| number).collect();
        match behind {
            StoreError::Busy => assert_eq!(bodies, [1, 2, 4], "nothing of a busy store's answer is applied"),
            // It was either never sent, or committed with the second.
            StoreError::Unavailable => {
                assert!([&[1, 2, 4][..], &[1, 2, 3, 4]].contains(&&bodies[..]), "{bodies:?}")
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_commit_whose_wait_was_canceled_is_not_accepted() {
    let directory = Directory::create();
    let (primary, mut standby) = synchronous(&directory);
    // The warning must arrive whatever the settings of the role are.
    let url = format!("{}?options=-c%20client_min_messages%3Derror", primary.url());
    let (store, client) = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&url, 1)).await.unwrap();
        seed(&store).await;
        (store, primary.client().await)
    });
    standby.stop("INT");
    let appended = RUNTIME.spawn(submit(&store, vec![Op::Append(message(1, 1))]));
    RUNTIME.block_on(async {
        until_row(&client, WAITING).await;
        let cancel = format!("SELECT pg_cancel_backend(pid) FROM ({WAITING}) w");
        query(&client, &cancel).await;
        // The lane makes sure by another commit.
        until_row(&client, &format!("{WAITING} AND query LIKE 'UPDATE%lane SET last_group%'")).await;
        assert!(!appended.is_finished());
    });
    standby.start();
    RUNTIME.block_on(async {
        let applied = appended.await.unwrap();
        assert!(matches!(applied.as_deref(), Ok([Applied::Appended(_)])), "{applied:?}");
        let copy = standby.client().await;
        until_row(&copy, "SELECT 1 FROM faults.entry").await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_group_that_was_committed_is_found_by_later_connections_as_well() {
    let directory = Directory::create();
    let (primary, mut standby) = synchronous(&directory);
    let (store, client) = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&primary.url(), 1)).await.unwrap();
        seed(&store).await;
        (store, primary.client().await)
    });
    standby.stop("INT");
    let (appended, before) = RUNTIME.block_on(async {
        let appended = tokio::spawn(submit(&store, vec![Op::Append(message(1, 1))]));
        until_row(&client, WAITING).await;
        query(&client, &format!("SELECT pg_terminate_backend(pid) FROM ({WAITING}) w")).await;
        // The next connection looks for the group, and cannot prepare its statements then.
        until_row(&client, &format!("{WAITING} AND query LIKE 'SELECT last_group%'")).await;
        query(&client, "SET synchronous_commit = local; ALTER TABLE faults.entry RENAME TO entry_away").await;
        (appended, query(&client, "SELECT xmin FROM faults.lane").await)
    });
    standby.start();
    RUNTIME.block_on(async {
        let once = query_until_other(&client, "SELECT xmin FROM faults.lane", &before).await;
        query_until_other(&client, "SELECT xmin FROM faults.lane", &once).await;
        query(&client, "ALTER TABLE faults.entry_away RENAME TO entry").await;
        drop(appended.await);
        until("appends work again", async || append(&store, 2).await.is_ok()).await;
        assert_eq!(numbers(&store).await, [1, 2]);
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_promoted_standby_has_what_was_accepted() {
    let directory = Directory::create();
    let (mut primary, standby) = synchronous(&directory);
    let url = format!("postgres://postgres@{},{}/postgres", primary.address(), standby.address());
    let (appending, acknowledged) = start_appending(&url);
    (0..200).for_each(|_| acknowledged.recv().unwrap());
    primary.stop("QUIT");
    RUNTIME.block_on(async {
        query(&standby.client().await, "SELECT pg_promote()").await;
        let (store, appended) = appending.await.unwrap();
        drop(acknowledged);
        assert_appended(&store, &appended).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn positions_grow_though_a_promoted_standby_lacks_some() {
    let directory = Directory::create();
    let mut primary = directory.server();
    let url = primary.url();
    RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&url, 1)).await.unwrap();
        seed(&store).await;
        append(&store, 1).await.unwrap();
        store.close();
    });
    let mut standby = directory.standby(&primary);
    standby.stop("INT");
    let url = format!("postgres://postgres@{},{}/postgres", primary.address(), standby.address());
    let (store, seen) = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&url, 1)).await.unwrap();
        for number in 2..20 {
            append(&store, number).await.unwrap();
        }
        let seen = stored(&store).await.last().unwrap().0;
        (store, seen)
    });
    primary.stop("QUIT");
    standby.start();
    RUNTIME.block_on(async {
        query(&standby.client().await, "SELECT pg_promote()").await;
        until("appends work again", async || append(&store, 100).await.is_ok()).await;
        let now = stored(&store).await;
        assert_eq!(now.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 100]);
        assert!(now[1].0 > seen, "{now:?} after {seen:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_commit_that_the_server_refuses_fails_alone() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        query(&database.client, "ALTER TABLE faults.entry ADD CHECK (body <> '3'::bytea)").await;
        // The lane is held up, so that the others share a group.
        query(&database.client, "BEGIN; SELECT id FROM faults.inbox FOR UPDATE").await;
        let first = tokio::spawn(submit(&store, vec![Op::Append(message(1, 1))]));
        until_row(&client(&database.url).await, LOCKED).await;
        let others: Vec<_> =
            (2..6).map(|number| tokio::spawn(submit(&store, vec![Op::Append(message(1, number))]))).collect();
        query(&database.client, "ROLLBACK").await;
        assert!(first.await.unwrap().is_ok());
        let mut results = Vec::new();
        for other in others {
            results.push(other.await.unwrap().map(|applied| applied.len()));
        }
        assert_eq!(results, [Ok(1), Err(StoreError::Unavailable), Ok(1), Ok(1)]);
        assert_eq!(numbers(&store).await, [1, 2, 4, 5]);
        // It is no outage.
        let statistics = store.statistics().unwrap();
        assert!(statistics.is_up && statistics.outages == 0, "{statistics:?}");
        assert!(append(&store, 6).await.is_ok());
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn commits_behind_a_slow_one_have_the_deadline_of_their_group() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        // The second is refused, so that they are committed one by one, and attempts of the third end after 7 s.
        query(&database.client, "ALTER TABLE faults.entry ADD CHECK (body <> '2'::bytea)").await;
        query(&database.client, &slow("NEW.body = '3'", 7)).await;
        query(&database.client, "BEGIN; SELECT id FROM faults.inbox FOR UPDATE").await;
        let appended: Vec<_> =
            (1..6).map(|number| tokio::spawn(submit(&store, vec![Op::Append(message(1, number))]))).collect();
        until_row(&client(&database.url).await, LOCKED).await;
        query(&database.client, "ROLLBACK").await;
        // The deadline is after 10 s, within the second attempt.
        let late = Instant::now() + Duration::from_secs(13);
        let mut results = Vec::new();
        for result in appended {
            let result = timeout_at(late, result).await.expect("the deadline is kept");
            results.push(result.unwrap().map(|applied| applied.len()));
        }
        let (unknown, waiting) = (Err(StoreError::Unavailable), Err(StoreError::Busy));
        assert_eq!(results, [Ok(1), unknown.clone(), unknown, waiting.clone(), waiting]);
        query(&database.client, "DROP TRIGGER slow ON faults.entry").await;
        until("appends work again", async || append(&store, 6).await.is_ok()).await;
        assert_eq!(numbers(&store).await, [1, 6]);
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_group_that_takes_too_long_is_split() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        // Statements that insert more than one message.
        query(&database.client, &slow("(SELECT last FROM faults.inbox WHERE owner = 0) > NEW.position", 60))
            .await;
        query(&database.client, "BEGIN; SELECT id FROM faults.inbox FOR UPDATE").await;
        let appended: Vec<_> =
            (1..6).map(|number| tokio::spawn(submit(&store, vec![Op::Append(message(1, number))]))).collect();
        until_row(&client(&database.url).await, LOCKED).await;
        query(&database.client, "ROLLBACK").await;
        for result in appended {
            let result = result.await.unwrap().map(|applied| applied.len());
            assert_eq!(result, Ok(1));
        }
        assert_eq!(numbers(&store).await, [1, 2, 3, 4, 5]);
        assert_eq!(store.statistics().unwrap().outages, 0);
    });
}

/// A lane that waits for a lock.
const LOCKED: &str = "SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'webpush-lane' AND wait_event_type = 'Lock'";

/// Makes inserting a message with a condition take this time, and end the connection.
fn slow(condition: &str, seconds: u64) -> String {
    format!(
        "CREATE FUNCTION faults.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF {condition} THEN PERFORM pg_sleep({seconds}), pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON faults.entry FOR EACH ROW EXECUTE FUNCTION faults.slow()"
    )
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn two_nodes_create_the_same_inbox() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        let agent = seed_ops();
        // As another node does: the inbox with a subscription and a message.
        let id = "'01010101-0101-0101-0101-010101010101'";
        let create =
            format!("BEGIN; INSERT INTO faults.inbox VALUES ({id}, 0, 1, 7, 1000, 0, 0, 0, NULL, 0)");
        query(&database.client, &create).await;
        let created = tokio::spawn(submit(&store, agent));
        until_row(&client(&database.url).await, LOCKED).await;
        query(&database.client, "COMMIT").await;
        assert!(created.await.unwrap().is_ok());
        append(&store, 1).await.unwrap();
        assert_eq!(stored(&store).await, [(Position::new(1001), 1)]);
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_store_closes_while_its_server_is_away() {
    let directory = Directory::create();
    let mut server = directory.server();
    let store = RUNTIME.block_on(async {
        let store = PostgresStore::open(options(&server.url(), 2)).await.unwrap();
        seed(&store).await;
        store
    });
    server.stop("QUIT");
    let results: Vec<_> =
        (0..20).map(|number| RUNTIME.spawn(submit(&store, vec![Op::Append(message(1, number))]))).collect();
    store.close();
    RUNTIME.block_on(async {
        for result in results {
            let result = timeout(PATIENCE, result).await.unwrap().unwrap();
            assert!(matches!(result, Err(StoreError::Unavailable | StoreError::Busy)), "{result:?}");
        }
        assert_eq!(append(&store, 30).await, Err(StoreError::Unavailable));
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn lookups_of_subscriptions_are_made_together() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = Arc::new(database.open(1).await);
        seed(&store).await;
        let look_up = |exists: bool| {
            let store = Arc::clone(&store);
            let id = if exists { SUBSCRIPTION } else { SubscriptionId::from_bytes([9; 16]) };
            tokio::spawn(async move { store.subscription(AGENT, id).await.map(|found| found.is_some()) })
        };
        assert_eq!(look_up(true).await.unwrap(), Ok(true));
        // Two statements wait, and the others for them.
        query(&database.client, "BEGIN; LOCK faults.subscription").await;
        let first: Vec<_> = (0..2).map(|_| look_up(true)).collect();
        let observer = client(&database.url).await;
        let blocked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'webpush-read' AND wait_event_type = 'Lock' HAVING count(*) = 2";
        until_row(&observer, blocked).await;
        let next: Vec<_> = (0..200).map(|number| look_up(number % 3 > 0)).collect();
        // Callers that go do not take the others with them.
        next[0].abort();
        next[100].abort();
        first[0].abort();
        query(&database.client, "ROLLBACK").await;
        for (number, found) in next.into_iter().enumerate().filter(|(number, _)| number % 100 > 0) {
            assert_eq!(found.await.unwrap(), Ok(number % 3 > 0), "{number}");
        }
        // A connection that was lost is replaced.
        query(
            &database.client,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'webpush-read'",
        )
        .await;
        for found in (0..20).map(|_| look_up(true)).collect::<Vec<_>>() {
            assert_eq!(found.await.unwrap(), Ok(true));
        }
        store.close();
        assert_eq!(look_up(true).await.unwrap(), Err(StoreError::Unavailable));
    });
}

/// Messages in a large inbox, each with a receipt. Far more than the quota of receipts.
const LARGE: u64 = 40_000;

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_large_inbox_can_be_removed() {
    RUNTIME.block_on(async {
        let database = Database::create().await;
        let store = database.open(1).await;
        seed(&store).await;
        fill(&database.client, LARGE).await;
        let removed = submit(&store, vec![Op::RemoveInbox(AGENT)]).await;
        let Ok([Applied::Removed(removed)]) = removed.as_deref() else { panic!("{removed:?}") };
        assert_eq!((removed.messages as u64, removed.receipts.len() as u64), (LARGE, LARGE));
        let left = query(&database.client, "SELECT count(*) FROM faults.entry").await;
        assert_eq!(left, [(LARGE - removed.receipts_dropped as u64).to_string()]);
    });
}
