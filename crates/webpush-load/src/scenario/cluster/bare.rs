//! Bare statements, each a transaction.
//!
//! One takes the positions of a batch from the rows of its inboxes, and inserts messages.

use super::{CONNECTIONS, LoopArgs, note};
use crate::database::Database;
use crate::figures::Figures;
use crate::histogram::Histogram;
use anyhow::ensure;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

const BODY: [u8; 200] = [0x5a; 200];
/// Prime, so that consecutive messages go to unrelated inboxes.
const STRIDE: u64 = 7919;

const TABLES: &str = "CREATE SCHEMA bare;
    CREATE TABLE bare.inbox (id bigint PRIMARY KEY, last bigint NOT NULL, entries bigint NOT NULL)
        WITH (fillfactor = 70);
    CREATE TABLE bare.message (inbox bigint, position bigint, id uuid, expires bigint, urgency smallint, body bytea,
        PRIMARY KEY (inbox, position));
    ALTER TABLE bare.message ALTER COLUMN body SET STORAGE EXTERNAL;
    CREATE INDEX ON bare.message (expires)";
const INBOXES: &str = "INSERT INTO bare.inbox SELECT g, 0, 0 FROM generate_series(0, $1::int8 - 1) g";
const PUT: &str = "WITH k AS (SELECT * FROM unnest($1::int8[], $2::bytea[]) AS k (inbox, body)),
        u AS (UPDATE bare.inbox i SET last = last + 1, entries = entries + 1 FROM k WHERE i.id = k.inbox
            RETURNING i.id, i.last)
    INSERT INTO bare.message SELECT k.inbox, u.last, gen_random_uuid(), 1700000000000 + u.last, 2, k.body
        FROM k JOIN u ON u.id = k.inbox";

/// Runs the measurement.
pub(super) async fn run(args: &LoopArgs) -> anyhow::Result<Figures> {
    let connections = CONNECTIONS.min(args.in_flight).max(1);
    ensure!((1..=16_000).contains(&args.in_flight), "--in-flight: 1 to 16,000");
    ensure!(args.agents >= args.in_flight, "--agents: not less than --in-flight");
    let database = Database::find()?;
    let client = database.connect().await?;
    client.batch_execute(TABLES).await?;
    client.execute(INBOXES, &[&args.agents.cast_signed()]).await?;

    let (mut working, before, begun) = (JoinSet::new(), database.sample().await?, Instant::now());
    let length = Duration::from_secs(args.seconds);
    for number in 0..connections {
        let client = database.connect().await?;
        let statement = client.prepare(PUT).await?;
        let batches = Batches {
            first: number * (args.agents / connections),
            inboxes: args.agents / connections,
            size: args.in_flight / connections,
            next: 0,
        };
        working.spawn(put(client, statement, batches, begun, length));
    }
    let mut latency = Histogram::default();
    while let Some(one) = working.join_next().await {
        latency.add(&one??);
    }
    let messages = latency.total() * (args.in_flight / connections);
    let mut figures = Figures::default();
    note(&mut figures, messages, begun.elapsed(), &latency);
    database.sample().await?.since(&before).note(&mut figures, "message", messages);
    Ok(figures)
}

/// The batches of a connection, which uses inboxes of its own.
struct Batches {
    first: u64,
    inboxes: u64,
    size: u64,
    next: u64,
}

impl Batches {
    /// Returns the inboxes of the next batch, in the order of IDs.
    fn next(&mut self) -> Vec<i64> {
        let batch = self.next..self.next + self.size;
        self.next += self.size;
        let inbox = |number: u64| (self.first + number.wrapping_mul(STRIDE) % self.inboxes).cast_signed();
        let mut inboxes: Vec<i64> = batch.map(inbox).collect();
        inboxes.sort_unstable();
        inboxes
    }
}

async fn put(
    client: Client,
    statement: Statement,
    mut batches: Batches,
    begun: Instant,
    length: Duration,
) -> anyhow::Result<Histogram> {
    let bodies = vec![&BODY[..]; usize::try_from(batches.size)?];
    let mut latency = Histogram::default();
    while begun.elapsed() < length {
        let inboxes = batches.next();
        let start = Instant::now();
        client.execute(&statement, &[&inboxes, &bodies]).await?;
        latency.record(start.elapsed());
    }
    Ok(latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_different_inboxes_in_order() {
        let mut batches = Batches { first: 2500, inboxes: 2500, size: 128, next: 0 };
        for _ in 0..100 {
            let batch = batches.next();
            assert_eq!(batch.len(), 128);
            assert!(batch.is_sorted_by(|a, b| a < b));
            assert!((2500..5000).contains(batch.first().unwrap()) && *batch.last().unwrap() < 5000);
        }
    }
}
