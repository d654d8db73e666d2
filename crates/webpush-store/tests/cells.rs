//! A service of two cells: the contract of a store, and inboxes that move while they are used.
//!
//! `cargo xtask postgres -- cargo test -p webpush-store --test cells -- --ignored` starts a server for it.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "what fails must stop the test")]

#[path = "shared/cluster.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod cluster;

use bytes::Bytes;
use cluster::{Directory, RUNTIME, client, until};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_postgres::Client;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::receipt::ReceiptStatus;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::cells::{BalanceStep, CellManager, ClusterStore};
use webpush_store::postgres::PostgresOptions;
use webpush_store::{Applied, Backend, Detail, Durability, Op, Quota, Record, Store as _, StoreError};

/// Schemas made so far.
static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

/// The URL of a second database on the same server.
static SECOND: LazyLock<String> = LazyLock::new(|| {
    let name = format!("cells_{}", std::process::id());
    std::thread::scope(|scope| {
        let creating = scope.spawn(|| {
            RUNTIME.block_on(async {
                execute(&client(&first()).await, &format!("CREATE DATABASE {name}")).await
            });
        });
        creating.join().expect("the database is created");
    });
    beside(&first(), &name)
});

/// Returns the URL of another database on the same server.
fn beside(url: &str, name: &str) -> String {
    let (base, _) = url.rsplit_once('/').expect("the URL names a database");
    format!("{base}/{name}")
}

fn first() -> String {
    std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres")
}

async fn execute(client: &Client, statements: &str) {
    client.batch_execute(statements).await.expect("the statements are right");
}

/// Returns options for a new schema.
fn options() -> PostgresOptions {
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    let schema = format!("cells_{}_{number}", std::process::id());
    PostgresOptions { url: first(), schema, connections: 2, ..PostgresOptions::default() }
}

/// Opens a service with two cells; a part of the shards is in the second one.
async fn open_two(options: &PostgresOptions) -> ClusterStore {
    open_with(options, &SECOND).await
}

async fn open_with(options: &PostgresOptions, second: &str) -> ClusterStore {
    let store = ClusterStore::open(options.clone()).await.expect("the store opens");
    CellManager::new(&store).add("second", second, 100).await.expect("the cell is added");
    store
}

/// Moves shards by the tables alone, before anything is stored.
async fn place(options: &PostgresOptions, shards: &str) {
    for url in [&options.url, &*SECOND] {
        let schema = &options.schema;
        let place = format!("INSERT INTO {schema}.shard SELECT n, 1, 1 FROM unnest(ARRAY[{shards}]) n");
        execute(&client(url).await, &place).await;
    }
}

fn fresh() -> impl Fn(Quota) -> Backend {
    let options = options();
    // Reads need the timer of the runtime on the thread of the test.
    let entered = RUNTIME.enter();
    let is_first = AtomicBool::new(true);
    move |quota| {
        let _ = &entered;
        let options = PostgresOptions { quota, ..options.clone() };
        Handle::current()
            .block_on(async {
                if is_first.swap(false, Ordering::Relaxed) {
                    drop(open_two(&options).await);
                    // The agent of the rules and its receipts, but not the other agent.
                    place(&options, "257, 771").await;
                }
                ClusterStore::open(options).await.expect("the store opens")
            })
            .into()
    }
}

webpush_store::contract_tests!(fresh(), #[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]);

const NOW: Timestamp = Timestamp::from_millis(10);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([4; 16]);
const AGENTS: u16 = 24;

/// An agent in a shard of its own.
fn agent(number: u16) -> InboxId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&(number * 2000).to_be_bytes());
    InboxId::from_bytes(bytes)
}

/// The inbox of all receipts, which is in a shard of its own as well.
fn receipts() -> InboxId {
    InboxId::from_bytes([9; 16])
}

fn message_id(agent: u16, number: u64) -> MessageId {
    let mut id = [1; 16];
    id[..2].copy_from_slice(&agent.to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    MessageId::from_bytes(id)
}

fn message(of: u16, number: u64) -> Draft {
    Draft {
        id: message_id(of, number),
        agent: agent(of),
        subscription: SUBSCRIPTION,
        accepted: NOW,
        expires: Timestamp::from_millis(1_000_000),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(9),
        receipt: Some(receipts()),
        body: Bytes::from(number.to_string()),
    }
}

/// How often an operation is tried. Each try that fails has waited for seconds.
const TRIES: u32 = 5;

async fn commit(store: &ClusterStore, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
    let (sender, receiver) = oneshot::channel();
    store.commit(ops, Durability::Durable, Box::new(move |result| drop(sender.send(result))));
    receiver.await.expect("done is called")
}

async fn seed(store: &ClusterStore) {
    let inbox = |id, owner| Op::CreateInbox(Inbox { id, owner, created: NOW, key: KeyId(7) });
    let subscription = |agent| Subscription {
        agent,
        id: SUBSCRIPTION,
        created: NOW,
        key: KeyId(7),
        sender: None,
        protocol: Protocol::Rfc8030,
    };
    let mut ops = vec![inbox(receipts(), Owner::Receipts)];
    for number in 0..AGENTS {
        ops.extend([inbox(agent(number), Owner::Agent), Op::Subscribe(subscription(agent(number)))]);
    }
    let created = ops.len();
    assert_eq!(commit(store, ops).await, Ok(vec![Applied::Created; created]));
}

async fn entries(store: &ClusterStore, inbox: InboxId) -> Vec<Entry> {
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let page = store.fetch(&scope, after, NOW).await.expect("it can be read");
        after = page.scanned;
        all.extend(page.entries);
        if !page.more {
            return all;
        }
    }
}

/// Commits an operation, and tries again while the store is not available.
///
/// On a slow machine a move, or a shard whose move was interrupted, can take longer than a commit waits.
async fn commit_in_time(store: &ClusterStore, op: Op) -> Applied {
    for _ in 0..TRIES {
        match commit(store, vec![op.clone()]).await {
            Ok(applied) => return applied.into_iter().next().expect("each operation has a result"),
            Err(error) => assert_eq!(error, StoreError::Unavailable),
        }
    }
    panic!("the store was not available {TRIES} times: {op:?}");
}

async fn is_subscribed(store: &ClusterStore, agent: InboxId) -> bool {
    for _ in 0..TRIES {
        match store.subscription(agent, SUBSCRIPTION).await {
            Ok(subscription) => return subscription.is_some(),
            Err(error) => assert_eq!(error, StoreError::Unavailable),
        }
    }
    panic!("the subscription could not be read {TRIES} times");
}

/// Appends messages to one agent until it is told to stop, and settles every second one.
///
/// Returns the number of messages.
async fn use_agent(store: &ClusterStore, of: u16, is_over: &AtomicBool) -> u64 {
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        let entry = match commit_in_time(store, Op::Append(message(of, number))).await {
            Applied::Appended(result) => result.message.entry_ref(),
            Applied::Duplicate(message) => message.entry_ref(),
            other => panic!("{other:?}"),
        };
        assert!(is_subscribed(store, agent(of)).await);
        if number % 2 == 0 {
            let settled = commit_in_time(store, Op::Settle(entry, Outcome::Delivered)).await;
            // Missing if an earlier try has settled it.
            assert!(matches!(settled, Applied::Settled(_) | Applied::Missing), "{settled:?}");
        }
        number += 1;
    }
    number
}

/// Uses all agents while inboxes move; then checks what is stored.
async fn use_while_moving(
    options: &PostgresOptions,
    manager: &ClusterStore,
    moves: impl Future<Output = ()>,
    is_over: &AtomicBool,
) {
    let nodes = [
        ClusterStore::open(options.clone()).await.unwrap(),
        ClusterStore::open(options.clone()).await.unwrap(),
    ];
    seed(&nodes[0]).await;
    let uses = futures_util::future::join_all(
        (0..AGENTS).map(|of| use_agent(&nodes[usize::from(of % 2)], of, is_over)),
    );
    let (counts, ()) = tokio::join!(uses, moves);
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    // In the order of acceptance, and without those that were acknowledged.
    for (of, count) in (0..AGENTS).zip(&counts) {
        let stored = entries(&nodes[0], agent(of)).await;
        let ids: Vec<MessageId> = stored.iter().map(|entry| entry.entry_ref().message).collect();
        let expected: Vec<MessageId> =
            (0..*count).filter(|n| n % 2 == 1).map(|n| message_id(of, n)).collect();
        assert_eq!(ids, expected, "of agent {of}");
    }
    // Each receipt once, though most were carried from another cell.
    let settled: u64 = counts.iter().map(|count| count.div_ceil(2)).sum();
    let mut stored = Vec::new();
    until("all receipts arrive", async || {
        stored = entries(&nodes[1], receipts()).await;
        stored.len() as u64 >= settled
    })
    .await;
    let mut of_each = BTreeMap::<MessageId, usize>::new();
    for entry in &stored {
        let Entry::Receipt(receipt) = entry else { panic!("{entry:?}") };
        assert_eq!(receipt.status, ReceiptStatus::Acknowledged);
        *of_each.entry(receipt.message()).or_default() += 1;
    }
    assert!(of_each.values().all(|count| *count == 1));
    assert_eq!(of_each.len() as u64, settled);

    let inboxes = snapshot_inboxes(manager).await;
    assert_eq!(inboxes.len(), usize::from(AGENTS) + 1);
    assert!(inboxes.is_sorted());
}

async fn snapshot_inboxes(store: &ClusterStore) -> Vec<InboxId> {
    let snapshot = store.snapshot(&Detail::EVERYTHING).await.unwrap();
    let records =
        tokio::task::spawn_blocking(|| snapshot.collect::<Result<Vec<_>, _>>()).await.unwrap().unwrap();
    let inbox = |record: &Record| match record {
        Record::Inbox(record) => Some(record.inbox.id),
        _ => None,
    };
    records.iter().filter_map(inbox).collect()
}

/// Options without a limit of receipts.
fn unlimited() -> PostgresOptions {
    PostgresOptions { quota: Quota { receipts: u64::MAX, ..Quota::default() }, ..options() }
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn inboxes_move_while_they_are_used() {
    RUNTIME.block_on(async {
        let options = unlimited();
        let manager = open_two(&options).await;
        let is_over = AtomicBool::new(false);
        let moves = async {
            let cells = CellManager::new(&manager);
            let balanced = cells.balance(&mut |_| {}).await.unwrap();
            assert_eq!(balanced.moved, 32768);
            let drained = cells.drain("first", &mut |_| {}).await.unwrap();
            assert_eq!(drained.moved, 32768);
            cells.set("first", Some(true), None).await.unwrap();
            cells.drain("second", &mut |_| {}).await.unwrap();
            cells.set("second", Some(true), None).await.unwrap();
            cells.balance(&mut |_| {}).await.unwrap();
            is_over.store(true, Ordering::Relaxed);
        };
        use_while_moving(&options, &manager, moves, &is_over).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn moves_that_are_interrupted_lose_nothing() {
    // Its connections are ended, but not those of other tests.
    let directory = Directory::create();
    let server = directory.server();
    RUNTIME.block_on(async {
        let client = server.client().await;
        execute(&client, "CREATE DATABASE second").await;
        let options = PostgresOptions { url: server.url(), ..unlimited() };
        let manager = open_with(&options, &beside(&server.url(), "second")).await;
        let is_over = AtomicBool::new(false);
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name IN ('webpush-move', 'webpush-receipts')";
        let moves = async {
            let cells = CellManager::new(&manager);
            let mut interruptions = 0;
            for (from, to) in [("first", "second"), ("second", "first"), ("first", "second")] {
                // The last one takes longer than any move.
                let pauses = [5, 20, 35, 50, 70, 90].map(Duration::from_millis);
                for pause in pauses.into_iter().chain([cluster::PATIENCE]) {
                    let killing = async {
                        loop {
                            sleep(pause).await;
                            client.simple_query(kill).await.unwrap();
                        }
                    };
                    let mut ignore = |_: &BalanceStep| {};
                    let result = tokio::select! {
                        result = cells.drain(from, &mut ignore) => result,
                        () = killing => return,
                    };
                    match result {
                        Ok(_) => break,
                        Err(_) => interruptions += 1,
                    }
                }
                cells.set(from, Some(true), None).await.unwrap();
                cells.set(to, Some(false), None).await.unwrap();
                cells.set(to, Some(true), None).await.unwrap();
            }
            assert!(interruptions > 0, "a move is interrupted");
            is_over.store(true, Ordering::Relaxed);
        };
        use_while_moving(&options, &manager, moves, &is_over).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn a_cell_that_is_down_stops_only_its_inboxes() {
    let directory = Directory::create();
    let mut server = directory.server();
    let store = RUNTIME.block_on(ClusterStore::open(options())).unwrap();
    let cells = CellManager::new(&store);
    let counts = RUNTIME.block_on(async {
        cells.add("second", &server.url(), 100).await.unwrap();
        cells.balance(&mut |_| {}).await.unwrap();
        seed(&store).await;
        let overview = cells.list().await.unwrap();
        assert_eq!(overview.iter().map(|cell| cell.shards).collect::<Vec<_>>(), [32768, 32768]);
        let counts: Vec<u64> = overview.iter().filter_map(|cell| cell.inboxes).collect();
        assert!(counts.iter().all(|count| *count > 5), "{counts:?}");

        counts
    });
    server.stop("QUIT");
    RUNTIME.block_on(async {
        let results = futures_util::future::join_all(
            (0..AGENTS).map(|of| commit(&store, vec![Op::Append(Draft { receipt: None, ..message(of, 1) })])),
        )
        .await;
        let accepted = results.iter().filter(|result| result.is_ok()).count() as u64;
        // One inbox is that of receipts.
        assert!((counts[0] - 1..=counts[0]).contains(&accepted), "{accepted} of {counts:?}");
        assert!(results.iter().flatten().all(|applied| matches!(applied[..], [Applied::Appended(_)])));
        let statistics = store.statistics().unwrap();
        let up: Vec<bool> = statistics.cluster.unwrap().cells.iter().map(|cell| cell.is_up).collect();
        assert_eq!((statistics.is_up, &up[..]), (true, &[true, false][..]));
        let due = store.due(Timestamp::NEVER, 100).await.unwrap();
        assert_eq!(due.entries.len() as u64, accepted, "messages of the other cell still expire");
        for number in 0..100 {
            let id = store.place(InboxId::from_bytes([number; 16]));
            let inbox = Inbox { id, owner: Owner::Agent, created: NOW, key: KeyId(7) };
            assert_eq!(commit(&store, vec![Op::CreateInbox(inbox)]).await, Ok(vec![Applied::Created]));
        }
    });
    server.start();
    RUNTIME.block_on(async {
        until("the cell is used again", async || {
            commit(&store, (0..AGENTS).map(|of| Op::Touch(agent(of), NOW)).collect()).await.is_ok()
        })
        .await;
        assert_eq!(cells.list().await.unwrap()[1].inboxes, Some(counts[1]));
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn an_inbox_that_no_cell_has_is_not_given_up() {
    RUNTIME.block_on(async {
        let options = options();
        let store = open_two(&options).await;
        let cells = CellManager::new(&store);
        seed(&store).await;
        cells.balance(&mut |_| {}).await.unwrap();
        // As if the second cell had been restored from a backup that is older than a move to it.
        let lost = u16::from_be_bytes(agent(1).as_bytes()[..2].try_into().unwrap());
        let server = client(&first()).await;
        let schema = &options.schema;
        let hide = format!(
            "INSERT INTO {schema}.shard VALUES ({lost}, 1, 9)
                ON CONFLICT (number) DO UPDATE SET cell = 1, version = 9;
            DELETE FROM {schema}.inbox WHERE id::text LIKE '{lost:04x}%';
            DELETE FROM {schema}.subscription WHERE agent::text LIKE '{lost:04x}%'"
        );
        execute(&server, &hide).await;
        // A sender that is told that the subscription is gone would forget it.
        assert_eq!(store.subscription(agent(1), SUBSCRIPTION).await, Err(StoreError::Unavailable));
        assert_eq!(commit(&store, vec![Op::Append(message(1, 1))]).await, Err(StoreError::Unavailable));
        assert!(store.subscription(agent(2), SUBSCRIPTION).await.unwrap().is_some());
        let error = cells.balance(&mut |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("not known where all inboxes are"), "{error}");
        assert!(store.snapshot(&Detail::EVERYTHING).await.is_err());
    });
}

#[test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
fn wrong_cells_are_refused() {
    RUNTIME.block_on(async {
        let options = options();
        let store = open_two(&options).await;
        let cells = CellManager::new(&store);
        let error = async |name: &str, url: &str| cells.add(name, url, 1).await.unwrap_err().to_string();
        assert!(error("second", &first()).await.contains("already"));
        assert!(error("no spaces", &SECOND).await.contains("letters"));
        assert!(error("third", &SECOND).await.contains("already"));
        assert!(error("third", &first()).await.contains("already"));
        assert!(error("third", "mysql://a/b").await.contains("postgres://"));
        assert!(cells.remove("first").await.unwrap_err().to_string().contains("cannot be removed"));
        assert!(cells.set("third", None, None).await.unwrap_err().to_string().contains("first, second"));
        cells.set("second", Some(false), None).await.unwrap();
        assert!(
            cells.set("first", Some(false), None).await.unwrap_err().to_string().contains("no other cell")
        );
        // The URL of a cell is not that of the service.
        let wrong = ClusterStore::open(PostgresOptions { url: SECOND.clone(), ..options }).await;
        assert!(wrong.err().unwrap().to_string().contains("use the URL of the first one"));
        cells.remove("second").await.unwrap();
        assert_eq!(cells.list().await.unwrap().len(), 1);
        // Its database may be used again.
        cells.add("third", &SECOND, 1).await.unwrap();
        cells.balance(&mut |_| {}).await.unwrap();
        assert!(cells.remove("third").await.unwrap_err().to_string().contains("drain it first"));
        cells.drain("third", &mut |_| {}).await.unwrap();
        cells.remove("third").await.unwrap();
    });
}
