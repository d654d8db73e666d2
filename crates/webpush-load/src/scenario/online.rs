//! Messages to connected agents: the life of each from its push to its acknowledgement.

use crate::audience::AudienceArgs;
use crate::body::Beginning;
use crate::figures::Figures;
use crate::senders::{SendArgs, Senders};
use crate::tally::Tally;
use crate::target::TargetArgs;
use anyhow::{Context as _, bail};
use std::sync::Arc;
use std::time::Duration;

/// Longest gap between messages before the rest is considered lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for the batches that settle acknowledgements, which a message pays for.
const SETTLING: Duration = Duration::from_millis(100);
/// How long the capacity is measured.
const CAPACITY_RUN: Duration = Duration::from_secs(3);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    audience: AudienceArgs,
    #[command(flatten)]
    send: SendArgs,
    /// First measure the capacity in a closed loop, then send at half of its rate in an open loop
    #[arg(long, conflicts_with = "rate")]
    half_capacity: bool,
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails, or a message is missing.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let target = args.target.target().await?;
    let beginning = Beginning::now();
    let tally = Arc::new(Tally::new(beginning));
    let mut audience = args.audience.gather(&target.dialers, &tally).await?;
    let first = audience.endpoints.first().context("there is no agent")?;
    let dialers = target.push_dialers(first)?;
    let mut figures = Figures::default();
    let mut send = args.send.clone();
    if args.half_capacity {
        let senders = send.senders(dialers.clone(), &audience.endpoints, beginning)?;
        let capacity = run_unmeasured(&senders, CAPACITY_RUN, &tally).await?;
        figures.note("capacity_per_second", capacity);
        send = send.at_rate(capacity / 2.0);
    }
    let senders = send.senders(dialers, &audience.endpoints, beginning)?;
    run_unmeasured(&senders, send.warm_up(), &tally).await?;

    let before = target.sample().await?;
    let posted = senders.run(send.length(), u64::MAX).await?.all_accepted()?;
    let all_came = tally.wait_for(posted.accepted, PATIENCE).await;
    tokio::time::sleep(SETTLING).await;
    target.note_usage(&mut figures, &before, "message", posted.accepted).await?;

    let (lost, reason) = audience.lost();
    if let Some(reason) = reason {
        bail!("{lost} agents were lost: {reason:#}");
    }
    if !all_came {
        bail!("only {} of {} messages were delivered and acknowledged", tally.count(), posted.accepted);
    }
    figures.note("messages", posted.accepted as f64);
    figures.note("messages_per_second", posted.rate());
    // In a closed loop the next message waits for the previous one: see `send_rate`.
    let kind = if send.is_open() { "open_loop" } else { "closed_loop" };
    figures.note_latency(&format!("{kind}_post"), &posted.latency);
    figures.note_latency(&format!("{kind}_delivery"), &tally.latency());
    figures.note("server_rss_kib", target.process.memory()?.resident);
    Ok(figures)
}

/// Sends messages that are in no figure, and returns how many were accepted per second.
async fn run_unmeasured(senders: &Arc<Senders>, length: Duration, tally: &Tally) -> anyhow::Result<f64> {
    let posted = senders.run(length, u64::MAX).await?.all_accepted()?;
    tally.wait_for(posted.accepted, PATIENCE).await;
    tokio::time::sleep(SETTLING).await;
    tally.reset();
    Ok(posted.rate())
}
