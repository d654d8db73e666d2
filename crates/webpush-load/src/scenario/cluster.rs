//! The store of a cluster, and bare statements for comparison.
//!
//! Both use the PostgreSQL of `cargo xtask postgres`.

mod bare;
mod churn;
mod puts;
mod seeded;
mod tables;

use crate::figures::Figures;
use crate::histogram::Histogram;
use clap::Subcommand;
use std::time::Duration;

/// The default of nodes, for the store and for the bare statements.
const CONNECTIONS: u64 = 4;
/// The schema of these tables.
const SCHEMA: &str = "webpush";

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Insert messages by bare statements, a transaction for each batch
    Bare(LoopArgs),
    /// Store messages
    Puts(puts::Args),
    /// Store and settle messages in tables with many rows, and report every minute how large the tables are
    Churn(churn::Args),
}

/// A closed loop.
#[derive(clap::Args)]
struct LoopArgs {
    /// Messages in flight
    #[arg(long, value_name = "N", default_value_t = 64)]
    in_flight: u64,
    /// Inboxes that they go to
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    agents: u64,
    /// Seconds to measure
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
}

/// Runs the measurement.
///
/// # Errors
/// If the database fails.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    match &args.command {
        Command::Bare(args) => bare::run(args).await,
        Command::Puts(args) => puts::run(args).await,
        Command::Churn(args) => churn::run(args).await,
    }
}

/// Records a rate and the latencies of commits.
fn note(figures: &mut Figures, count: u64, time: Duration, latency: &Histogram) {
    figures.note("messages_per_second", count as f64 / time.as_secs_f64());
    figures.note_latency("commit", latency);
}
