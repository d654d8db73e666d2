//! A reconnect storm: all agents of a node that is killed connect to the others at once.

use crate::audience::{all, one_of, registered};
use crate::autopush::{Agent, Habits};
use crate::body::Beginning;
use crate::dial::Dialer;
use crate::figures::{Figures, micros};
use crate::histogram::Histogram;
use crate::senders::SendArgs;
use crate::tally::Tally;
use crate::target::TargetArgs;
use anyhow::{Context as _, bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Time before the node is killed, while messages are sent already.
const BEFORE: Duration = Duration::from_secs(2);
/// Pause of an agent whose connection was refused.
const PAUSE: Duration = Duration::from_millis(100);
/// How long all agents may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// User agents on the node that is killed
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    agents: usize,
    #[command(flatten)]
    send: SendArgs,
}

/// Runs the measurement. Agents should be at the first node, and senders at the others.
///
/// # Errors
/// If an operation fails, a message is refused with another status than 503, or one that was accepted does not arrive.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    ensure!(args.send.is_open(), "--rate: messages per second");
    let mut target = args.target.target().await?;
    let beginning = Beginning::now();
    let dialers = target.dialers.clone();
    let agents = all(args.agents, |number| {
        let dialer = one_of(&dialers, number);
        async move { registered(dialer?, number).await }
    });
    let (agents, endpoints): (Vec<Agent>, Vec<String>) = agents.await?.into_iter().unzip();
    let others = target.push_dialers(endpoints.first().context("--agents: at least one")?)?;
    let senders = args.send.senders(others.clone(), &endpoints, beginning)?;

    let tally = Arc::new(Tally::new(beginning));
    let length = args.send.length() + BEFORE;
    let sending = tokio::spawn(async move { senders.run(length, u64::MAX).await });
    let mut names = Vec::new();
    let mut listening = JoinSet::new();
    for agent in agents {
        names.push(agent.name.clone());
        let tally = Arc::clone(&tally);
        listening.spawn(async move { agent.listen(Habits::default(), &tally).await });
    }
    tokio::time::sleep(BEFORE).await;

    target.kill_first_node()?;
    let begun = Instant::now();
    // Agents notice at once, as the kernel closes their connections.
    while listening.join_next().await.is_some() {}
    let before = target.sample().await?;
    let (latency, returned) = come_back(names, &others, &tally, begun).await?;
    let mut figures = Figures::default();
    figures.note_latency("served_after", &latency);
    figures.note("served_after_max_s", latency.largest().as_secs_f64());
    target.note_usage(&mut figures, &before, "reconnect", args.agents as u64).await?;

    let posted = sending.await??;
    let refused: u64 = posted.refused.values().sum();
    figures.note("posts_accepted", posted.accepted as f64);
    figures.note("posts_refused_503", posted.refused.get(&503).copied().unwrap_or_default() as f64);
    ensure!(
        refused == posted.refused.get(&503).copied().unwrap_or_default(),
        "refused: {:?}",
        posted.refused
    );
    figures.note_latency("open_loop_post", &posted.latency);
    if !tally.wait_for(posted.accepted, PATIENCE).await {
        bail!("only {} of {} messages were delivered and acknowledged", tally.count(), posted.accepted);
    }
    figures.note("delivery_max_us", micros(tally.latency().largest()));
    drop(returned);
    Ok(figures)
}

/// Connects all agents at once; returns when each had said hello, from `begun`.
pub(super) async fn come_back(
    names: Vec<String>,
    others: &[Dialer],
    tally: &Arc<Tally>,
    begun: Instant,
) -> anyhow::Result<(Histogram, JoinSet<anyhow::Result<()>>)> {
    let (mut returning, mut listening) = (JoinSet::new(), JoinSet::new());
    for (number, name) in names.into_iter().enumerate() {
        let dialer = one_of(others, number)?;
        returning.spawn(async move {
            loop {
                match timeout(LIMIT, Agent::hello(&dialer, Some(&name))).await? {
                    Ok(agent) => return anyhow::Ok((agent, begun.elapsed())),
                    Err(error) if begun.elapsed() > LIMIT => return Err(error),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }
    let mut latency = Histogram::default();
    while let Some(one) = returning.join_next().await {
        let (agent, time) = one??;
        latency.record(time);
        let tally = Arc::clone(tally);
        listening.spawn(async move { agent.listen(Habits::default(), &tally).await });
    }
    Ok((latency, listening))
}
