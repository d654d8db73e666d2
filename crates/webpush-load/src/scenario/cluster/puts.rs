//! Messages of 200 bytes, stored without a node.

use super::seeded::{Seeded, Shared};
use super::{LoopArgs, note};
use crate::database::Database;
use crate::figures::Figures;
use crate::histogram::Histogram;
use crate::process::Process;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use webpush_store::Store as _;

/// Options.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    each: LoopArgs,
    /// Settle each message once it is stored
    #[arg(long)]
    settle: bool,
    /// Pause in milliseconds before each message, for the latency of a store that has little to do
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pause: u64,
}

/// Runs the measurement.
pub(super) async fn run(args: &Args) -> anyhow::Result<Figures> {
    let database = Database::find()?;
    let mut seeded = Seeded::open(&database).await?;
    seeded.subscribe(args.each.agents).await?;
    let seeded = Arc::new(seeded);

    let process = Process::this();
    let (before, own, begun) = (database.sample().await?, process.sample()?, Instant::now());
    let (length, pause) = (Duration::from_secs(args.each.seconds), Duration::from_millis(args.pause));
    let mut working = JoinSet::new();
    for _ in 0..args.each.in_flight {
        working.spawn(work(Arc::clone(&seeded), begun, length, pause, args.settle));
    }
    let mut latency = Histogram::default();
    while let Some(one) = working.join_next().await {
        latency.add(&one??);
    }
    let mut figures = Figures::default();
    let count = latency.total();
    note(&mut figures, count, begun.elapsed(), &latency);
    let own = process.usage_since(&own)?.total.as_secs_f64();
    figures.note("store_cpu_us_per_message", own * 1e6 / count.max(1) as f64);
    database.sample().await?.since(&before).note(&mut figures, "message", count);
    seeded.store.close();
    Ok(figures)
}

async fn work(
    seeded: Shared,
    begun: Instant,
    length: Duration,
    pause: Duration,
    settles: bool,
) -> anyhow::Result<Histogram> {
    let mut latency = Histogram::default();
    while begun.elapsed() < length {
        tokio::time::sleep(pause).await;
        let start = Instant::now();
        let settle = seeded.append().await?;
        latency.record(start.elapsed());
        if settles {
            seeded.settle(settle).await?;
        }
    }
    Ok(latency)
}
