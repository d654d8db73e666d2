//! Messages that come and go in tables with many rows: bloat, and latency over time.

use super::SCHEMA;
use super::seeded::{Seeded, Shared};
use super::tables::{TABLES, TableSize, sizes};
use crate::database::Database;
use crate::figures::{Figures, micros};
use crate::filling::fill;
use crate::histogram::Histogram;
use anyhow::ensure;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_postgres::Client;
use webpush_store::Store as _;

const MINUTE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(10);
/// Messages under way, above which the database is too slow for the rate.
const MOST_UNDER_WAY: usize = 20_000;

/// Options.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Subscriptions that the tables have throughout, each with a message that waits
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    filled: u64,
    /// Minutes to measure
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: u64,
    /// Messages per second
    #[arg(long, value_name = "RATE", default_value_t = 1000)]
    rate: u64,
    /// Milliseconds after which a message that was stored is settled
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    stay: u64,
}

/// A minute of the run.
struct Minute {
    count: u64,
    latency: Histogram,
    sizes: Vec<TableSize>,
}

/// Runs the measurement, and prints a row of a table each minute.
pub(super) async fn run(args: &Args) -> anyhow::Result<Figures> {
    ensure!(args.filled > 0 && args.minutes > 0, "--filled, --minutes: at least one");
    ensure!((100..=100_000).contains(&args.rate), "--rate: 100 to 100,000");
    let database = Database::find()?;
    let client = database.connect().await?;
    let mut seeded = Seeded::open(&database).await?;
    // The statement that fills the tables takes the key of a node.
    let key = format!("INSERT INTO {SCHEMA}.sealing_key (number, id, wrapped) VALUES (1, 1, '')");
    client.batch_execute(&key).await?;
    fill(&database, SCHEMA, args.filled).await?;
    seeded.find_subscriptions(&database).await?;
    let full = sizes(&client).await?;
    print_head(&full);

    let seeded = Arc::new(seeded);
    let before = database.sample().await?;
    let mut minutes: Vec<Minute> = Vec::new();
    for number in 1..=args.minutes {
        let minute = one(&seeded, args, &client).await?;
        minute.print(number);
        minutes.push(minute);
    }
    let mut figures = Figures::default();
    let count: u64 = minutes.iter().map(|minute| minute.count).sum();
    figures.note("messages", count as f64);
    database.sample().await?.since(&before).note(&mut figures, "message", count);
    note_sizes(&mut figures, &full, args.filled);
    if let (Some(first), Some(last)) = (minutes.first(), minutes.last()) {
        first.note(&mut figures, "first");
        last.note(&mut figures, "last");
    }
    seeded.store.close();
    Ok(figures)
}

/// Sends for a minute at the rate, and waits until all of it is settled.
async fn one(seeded: &Shared, args: &Args, client: &Client) -> anyhow::Result<Minute> {
    let (begun, stay) = (Instant::now(), Duration::from_millis(args.stay));
    let (mut steps, mut working, mut latency) = (interval(STEP), JoinSet::new(), Histogram::default());
    steps.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = 0;
    while begun.elapsed() < MINUTE {
        steps.tick().await;
        let due = begun.elapsed().min(MINUTE).as_secs_f64() * args.rate as f64;
        while (sent as f64) < due {
            working.spawn(come_and_go(Arc::clone(seeded), stay));
            sent += 1;
        }
        while let Some(ended) = working.try_join_next() {
            latency.record(ended??);
        }
        ensure!(working.len() < MOST_UNDER_WAY, "the database is too slow for this --rate");
    }
    while let Some(ended) = working.join_next().await {
        latency.record(ended??);
    }
    Ok(Minute { count: latency.total(), latency, sizes: sizes(client).await? })
}

/// Returns the time of the commit.
async fn come_and_go(seeded: Shared, stay: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let settle = seeded.append().await?;
    let time = begun.elapsed();
    tokio::time::sleep(stay).await;
    seeded.settle(settle).await?;
    Ok(time)
}

fn print_head(full: &[TableSize]) {
    let names = TABLES.map(|table| format!("{table}: MB, indexes, dead")).join(" | ");
    println!("| minute | messages/s | commit p50, p99 ms | {names} |\n|---|---|---|---|---|---|");
    println!("| filled | | | {} |", shown(full));
}

fn shown(sizes: &[TableSize]) -> String {
    let megabytes = |bytes: i64| bytes as f64 / 1e6;
    let one = |size: &TableSize| {
        format!("{:.0}, {:.0}, {}", megabytes(size.table_bytes), megabytes(size.index_bytes), size.dead_rows)
    };
    sizes.iter().map(one).collect::<Vec<_>>().join(" | ")
}

/// Records what a row of each table takes on disk, with its indexes.
fn note_sizes(figures: &mut Figures, full: &[TableSize], rows: u64) {
    for (table, size) in TABLES.iter().zip(full) {
        let bytes = (size.table_bytes + size.index_bytes) as f64;
        figures.note(format!("disk_bytes_per_{table}"), bytes / rows as f64);
    }
}

impl Minute {
    fn print(&self, number: u64) {
        let [p50, p99] = [500, 990].map(|share| micros(self.latency.per_mille(share)) / 1e3);
        let rate = self.count as f64 / MINUTE.as_secs_f64();
        println!("| {number} | {rate:.0} | {p50:.1}, {p99:.1} | {} |", shown(&self.sizes));
    }

    fn note(&self, figures: &mut Figures, which: &str) {
        figures.note_latency(&format!("{which}_minute_commit"), &self.latency);
        for (table, size) in TABLES.iter().zip(&self.sizes) {
            figures
                .note(format!("{which}_minute_{table}_bytes"), (size.table_bytes + size.index_bytes) as f64);
        }
    }
}
