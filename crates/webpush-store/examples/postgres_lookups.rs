//! Measures how many subscriptions a second the store on PostgreSQL looks up, as every push needs.
//!
//! For comparison, statements of one lookup each are sent over the same number of connections, with the same settings.
//!
//! `cargo xtask postgres -- cargo run --release -p webpush-store --example postgres_lookups`

#![allow(clippy::expect_used, reason = "a measurement that fails has no result")]
#![allow(clippy::disallowed_methods, reason = "it measures the machine itself")]

use bytes::BytesMut;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_postgres::types::{IsNull, ToSql, Type, accepts, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};
use webpush_core::capability::KeyId;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_store::postgres::{PostgresOptions, PostgresStore};
use webpush_store::{Durability, Op, Store};

const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
const AGENTS: u64 = 10_000;
const READERS: usize = 2;

#[tokio::main]
async fn main() {
    let url = std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres");
    let schema = format!("lookups_{}", std::process::id());
    let options = PostgresOptions { url: url.clone(), schema: schema.clone(), ..PostgresOptions::default() };
    let store = Arc::new(PostgresStore::open(options).await.expect("the store opens"));
    seed(&store).await;
    let mut bare = Vec::new();
    for _ in 0..READERS {
        bare.push(Arc::new(connect(&url, &schema).await));
    }
    println!("{:>8} {:>10} {:>10} {:>6}", "callers", "single/s", "store/s", "ratio");
    for callers in [1, 64, 512] {
        for _ in 0..ROUNDS {
            let connections = bare.clone();
            let single = drive(callers, move |number| {
                let bare = Arc::clone(&connections[usize::try_from(number).expect("it is small") % READERS]);
                async move {
                    let (agent, id) = (UuidValue(*agent(number).as_bytes()), UuidValue(ID));
                    let rows = bare.0.query(&bare.1, &[&agent, &id]).await.expect("it succeeds");
                    assert_eq!(rows.len(), 1);
                }
            })
            .await;
            let shared = Arc::clone(&store);
            let together = drive(callers, move |number| {
                let store = Arc::clone(&shared);
                async move {
                    let id = SubscriptionId::from_bytes(ID);
                    let found = store.subscription(agent(number), id).await.expect("the store works");
                    assert!(found.is_some());
                }
            })
            .await;
            println!("{callers:>8} {single:>10.0} {together:>10.0} {:>6.2}", together / single);
        }
    }
    store.close();
}

const ID: [u8; 16] = [2; 16];

/// Returns the lookups in a second of this many callers.
async fn drive<F>(callers: u64, look_up: impl Fn(u64) -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let look_up = look_up.clone();
            tokio::spawn(async move {
                let mut count = 0_u64;
                while begun.elapsed() < ROUND {
                    look_up(NEXT.fetch_add(1, Ordering::Relaxed)).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("it does not panic");
    }
    total as f64 / begun.elapsed().as_secs_f64()
}

fn agent(number: u64) -> InboxId {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&(number % AGENTS).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    InboxId::from_bytes(id)
}

/// An ID as a value of the type `uuid`.
#[derive(Debug)]
struct UuidValue([u8; 16]);

impl ToSql for UuidValue {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

async fn seed(store: &PostgresStore) {
    for first in (0..AGENTS).step_by(200) {
        let ops = (first..first + 200).flat_map(|number| {
            let (id, created, key) = (agent(number), Timestamp::from_millis(1), KeyId(1));
            let subscription = Subscription {
                agent: id,
                id: SubscriptionId::from_bytes(ID),
                created,
                key,
                sender: None,
                protocol: Protocol::Rfc8030,
            };
            [Op::CreateInbox(Inbox { id, owner: Owner::Agent, created, key }), Op::Subscribe(subscription)]
        });
        let (sender, receiver) = oneshot::channel();
        store.commit(ops.collect(), Durability::Durable, Box::new(|result| drop(sender.send(result))));
        receiver.await.expect("the store answers").expect("the store works");
    }
}

async fn connect(url: &str, schema: &str) -> (Client, Statement) {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("the server accepts connections");
    tokio::spawn(async move { connection.await.expect("the connection stays open") });
    let settings = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off";
    client.batch_execute(settings).await.expect("these are settings");
    let text = format!("SELECT * FROM {schema}.subscription WHERE agent = $1 AND id = $2");
    let statement = client.prepare(&text).await.expect("the statement is valid");
    (client, statement)
}
