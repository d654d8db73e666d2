//! Delivery of stored messages to agents that reconnect.

use super::absent::gone;
use crate::audience::{all, one_of};
use crate::autopush::{Agent, Habits};
use crate::body::Beginning;
use crate::figures::Figures;
use crate::senders::SendArgs;
use crate::tally::Tally;
use crate::target::TargetArgs;
use anyhow::{Context as _, bail};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

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
    let (before, begun) = (target.sample().await?, Instant::now());
    let names = Arc::new(agents);
    // An agent receives its messages immediately, without waiting until others have said hello.
    let listening = all(names.len(), |number| {
        let (dialer, names, tally) =
            (one_of(&target.dialers, number), Arc::clone(&names), Arc::clone(&tally));
        async move {
            let name = names.get(number).map(|(name, _)| name.as_str());
            let agent = Agent::hello(&dialer?, name).await?;
            Ok(tokio::spawn(async move { agent.listen(Habits::default(), &tally).await }))
        }
    });
    let listening = listening.await?;
    if !tally.wait_for(stored, PATIENCE).await {
        bail!("only {} of {stored} messages that waited were delivered and acknowledged", tally.count());
    }
    let time = begun.elapsed();
    tokio::time::sleep(SETTLING).await;
    let mut figures = Figures::default();
    target.note_usage(&mut figures, &before, "message", stored).await?;
    listening.iter().for_each(JoinHandle::abort);

    figures.note("messages", stored as f64);
    figures.note("messages_per_second", stored as f64 / time.as_secs_f64());
    // Includes connecting and hello, which are shared by the agent's messages.
    Ok(figures)
}
