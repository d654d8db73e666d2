//! Measures how many messages a second the store on PostgreSQL makes durable.
//!
//! For comparison, bare statements over the same number of connections insert messages of the same size: each takes the positions of
//! a batch from the rows of its inboxes, and is a transaction of its own.
//!
//! `cargo xtask postgres --standbys 2 -- cargo run --release -p webpush-store --example postgres_puts`

#![allow(clippy::expect_used, reason = "a measurement that fails has no result")]
#![allow(clippy::disallowed_methods, reason = "it measures the machine itself")]

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_postgres::{Client, NoTls, Statement};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::postgres::{PostgresOptions, PostgresStore};
use webpush_store::{Applied, Durability, Op, Store, StoreError};

const ROUND: Duration = Duration::from_secs(5);
const AGENTS: u64 = 10_000;
const BODY_BYTES: usize = 300;
const CONNECTIONS: usize = 4;
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);

/// The result of one measurement.
struct Measurement {
    rate: f64,
    latencies: Vec<Duration>,
}

impl Measurement {
    fn percentile(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).map_or(0.0, Duration::as_secs_f64) * 1000.0
    }
}

#[tokio::main]
async fn main() {
    let url = std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres");
    let store = seeded(&url).await;
    println!(
        "{:>9} {:>9} {:>16} {:>9} {:>16} {:>6} {:>9} {:>16}",
        "in flight", "bare/s", "p50/p99 ms", "store/s", "p50/p99 ms", "ratio", "pairs/s", "p50/p99 ms"
    );
    for in_flight in [1, 64, 512] {
        let bare = bare(&url, in_flight).await;
        let puts = drive(&store, in_flight, false).await;
        let pairs = drive(&store, in_flight, true).await;
        let span = |measured: &Measurement| {
            format!("{:.1} / {:.1}", measured.percentile(50), measured.percentile(99))
        };
        println!(
            "{in_flight:>9} {:>9.0} {:>16} {:>9.0} {:>16} {:>6.2} {:>9.0} {:>16}",
            bare.rate,
            span(&bare),
            puts.rate,
            span(&puts),
            puts.rate / bare.rate,
            pairs.rate,
            span(&pairs)
        );
    }
    store.close();
}

fn agent(number: u64) -> InboxId {
    let mut id = [1; 16];
    // Spread over the index, as random IDs are.
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    InboxId::from_bytes(id)
}

async fn seeded(url: &str) -> Arc<PostgresStore> {
    let schema = format!("puts_{}", std::process::id());
    let options = PostgresOptions {
        url: url.to_owned(),
        schema,
        connections: CONNECTIONS,
        ..PostgresOptions::default()
    };
    let store = PostgresStore::open(options).await.expect("the store opens");
    for first in (0..AGENTS).step_by(200) {
        let ops = (first..first + 200).flat_map(|number| {
            let (id, created, key) = (agent(number), Timestamp::from_millis(1), KeyId(1));
            let protocol = Protocol::Rfc8030;
            let subscription =
                Subscription { agent: id, id: SUBSCRIPTION, created, key, sender: None, protocol };
            [Op::CreateInbox(Inbox { id, owner: Owner::Agent, created, key }), Op::Subscribe(subscription)]
        });
        commit(&store, ops.collect()).await.expect("the store works");
    }
    Arc::new(store)
}

async fn commit(store: &PostgresStore, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
    let (sender, receiver) = oneshot::channel();
    store.commit(ops, Durability::Durable, Box::new(|result| drop(sender.send(result))));
    receiver.await.expect("the store answers")
}

fn draft(number: u64) -> Draft {
    let mut id = [3; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    let accepted = Timestamp::from_millis(1_700_000_000_000);
    Draft {
        id: MessageId::from_bytes(id),
        agent: agent(number * 7919 % AGENTS),
        subscription: SUBSCRIPTION,
        accepted,
        expires: accepted.after(Duration::from_secs(86_400)),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(vec![7; BODY_BYTES]),
    }
}

/// Keeps this many messages in flight, each settled at once if `settles`.
async fn drive(store: &Arc<PostgresStore>, in_flight: u64, settles: bool) -> Measurement {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let begun = Instant::now();
    let workers: Vec<_> = (0..in_flight)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while begun.elapsed() < ROUND {
                    let start = Instant::now();
                    let ops = vec![Op::Append(draft(NEXT.fetch_add(1, Ordering::Relaxed)))];
                    let applied = commit(&store, ops).await.expect("the store works");
                    if let (true, [Applied::Appended(appended)]) = (settles, &applied[..]) {
                        let settle = Op::Settle(appended.message.entry_ref(), Outcome::Delivered);
                        commit(&store, vec![settle]).await.expect("the store works");
                    }
                    latencies.push(start.elapsed());
                }
                latencies
            })
        })
        .collect();
    collect(begun, workers, 1).await
}

async fn collect(
    begun: Instant,
    workers: Vec<tokio::task::JoinHandle<Vec<Duration>>>,
    batch: u64,
) -> Measurement {
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await.expect("it does not panic"));
    }
    let rate = latencies.len() as f64 * batch as f64 / begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Measurement { rate, latencies }
}

/// Inserts batches by bare statements, over the same number of connections.
async fn bare(url: &str, in_flight: u64) -> Measurement {
    let schema = format!("bare_{}_{in_flight}", std::process::id());
    let connections = (CONNECTIONS as u64).min(in_flight);
    let batch = in_flight / connections;
    let client = connect(url).await;
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {schema};
             CREATE TABLE {schema}.inbox (id bigint PRIMARY KEY, last bigint NOT NULL, entries bigint NOT NULL)
                 WITH (fillfactor = 70);
             INSERT INTO {schema}.inbox SELECT g, 0, 0 FROM generate_series(0, {AGENTS} - 1) g;
             CREATE TABLE {schema}.message (inbox bigint, position bigint, id uuid, expires bigint, urgency smallint,
                 body bytea, PRIMARY KEY (inbox, position));
             ALTER TABLE {schema}.message ALTER COLUMN body SET STORAGE EXTERNAL;
             CREATE INDEX ON {schema}.message (expires)"
        ))
        .await
        .expect("the tables are created");
    let put = format!(
        "WITH k AS (SELECT * FROM unnest($1::int8[], $2::bytea[]) AS k (inbox, body)),
             u AS (UPDATE {schema}.inbox i SET last = last + 1, entries = entries + 1 FROM k WHERE i.id = k.inbox
                 RETURNING i.id, i.last)
         INSERT INTO {schema}.message SELECT k.inbox, u.last, gen_random_uuid(), 1700000000000 + u.last, 2, k.body
             FROM k JOIN u ON u.id = k.inbox"
    );
    let begun = Instant::now();
    let mut workers = Vec::new();
    for number in 0..connections {
        let client = connect(url).await;
        let statement = client.prepare(&put).await.expect("the statement is valid");
        workers.push(tokio::spawn(put_batches(client, statement, number, connections, batch, begun)));
    }
    collect(begun, workers, batch).await
}

async fn put_batches(
    client: Client,
    statement: Statement,
    number: u64,
    connections: u64,
    batch: u64,
    begun: Instant,
) -> Vec<Duration> {
    let bodies = vec![vec![7_u8; BODY_BYTES]; usize::try_from(batch).expect("it is small")];
    let mut latencies = Vec::new();
    let mut next = 0;
    while begun.elapsed() < ROUND {
        // Connections use inboxes of their own, in the order of IDs, so that there are no deadlocks.
        let each = AGENTS / connections;
        let mut inboxes: Vec<i64> =
            (0..batch).map(|step| (number * each + (next + step) * 7919 % each).cast_signed()).collect();
        inboxes.sort_unstable();
        next += batch;
        let start = Instant::now();
        client.execute(&statement, &[&inboxes, &bodies]).await.expect("the statement succeeds");
        latencies.push(start.elapsed());
    }
    latencies
}

async fn connect(url: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("the server accepts connections");
    tokio::spawn(async move { connection.await.expect("the connection stays open") });
    client
}
