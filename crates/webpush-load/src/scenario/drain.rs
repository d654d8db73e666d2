//! Delivery of stored messages to agents that all reconnect at once.

use super::absent::gone;
use super::reconnect::come_back;
use crate::body::Beginning;
use crate::figures::Figures;
use crate::process::Process;
use crate::senders::SendArgs;
use crate::tally::Tally;
use crate::target::TargetArgs;
use anyhow::{Context as _, bail};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const SETTLING: Duration = Duration::from_millis(100);
/// How long storing all messages may take.
const MOST_FILLING: Duration = Duration::from_secs(480);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Number of user agents that have registered and disconnected
    #[arg(long, value_name = "N", default_value_t = 500)]
    agents: usize,
    /// Number of messages for each
    #[arg(long, value_name = "N", default_value_t = 100)]
    waiting: u64,
    #[command(flatten)]
    send: SendArgs,
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails, or a message is missing.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let target = args.target.target().await?;
    let beginning = Beginning::now();
    let agents = gone(&target.dialers, args.agents).await?;
    let endpoints: Vec<String> = agents.iter().map(|(_, endpoint)| endpoint.clone()).collect();
    let dialers = target.push_dialers(endpoints.first().context("--agents: at least one")?)?;
    let senders = args.send.senders(dialers, &endpoints, beginning)?;
    let expected = args.waiting * args.agents as u64;
    let stored = senders.run(MOST_FILLING, expected).await?.all_accepted()?.accepted;
    target.process.wait_until_quiet()?;

    let tally = Arc::new(Tally::new(beginning));
    let load = Process::this();
    let (before, server_before, load_before) =
        (target.sample().await?, target.process.sample()?, load.sample()?);
    let begun = Instant::now();
    let names = agents.into_iter().map(|(name, _)| name).collect();
    let (served, listening) = come_back(names, &target.dialers, &tally, begun).await?;
    if !tally.wait_for(stored, PATIENCE).await {
        bail!("only {} of {stored} messages that waited were delivered and acknowledged", tally.count());
    }
    let time = begun.elapsed();
    let busy = target.process.usage_since(&server_before)?.total + load.usage_since(&load_before)?.total;
    tokio::time::sleep(SETTLING).await;
    let mut figures = Figures::default();
    // Includes connecting and hello, which are shared by the agent's messages.
    target.note_usage(&mut figures, &before, "message", stored).await?;
    drop(listening);

    figures.note("messages", stored as f64);
    figures.note("messages_per_second", stored as f64 / time.as_secs_f64());
    figures.note("seconds", time.as_secs_f64());
    // The time that server and load would take if no core were ever idle.
    figures.note("cpu_bound_seconds", busy.as_secs_f64() / available_parallelism()?.get() as f64);
    figures.note_latency("hello", &served);
    Ok(figures)
}
