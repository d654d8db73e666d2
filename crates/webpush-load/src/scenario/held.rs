//! A server with one agent for each descriptor that it has, on real sockets.
//!
//! Messages to random agents, to all of them, and to all of them while all reconnect at once. Each must arrive.

use crate::audience::{all, one_of, registered};
use crate::autopush::{Agent, Habits};
use crate::body::Beginning;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::scenario::idle::descriptors;
use crate::scenario::reconnect::come_back;
use crate::senders::{PostResults, SendArgs, Senders};
use crate::tally::Tally;
use crate::target::{Target, TargetArgs};
use anyhow::{Context as _, ensure};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Loopback addresses of the agents, as one has too few ports for all of them twice.
const ADDRESSES: u8 = 8;
/// File descriptors of the load itself.
const SPARE_DESCRIPTORS: usize = 192;
/// Longest gap between messages before the rest is considered lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest time for one message to each agent.
const TO_ALL: Duration = Duration::from_secs(300);
/// A multiple of this would leave some agents without a message.
const STRIDE: usize = 7919;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// User agents
    #[arg(long, value_name = "N", default_value_t = 19_000)]
    agents: usize,
    #[command(flatten)]
    send: SendArgs,
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails, an agent is disconnected, or a message does not arrive.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let (agents, descriptors) = (args.agents, descriptors()?);
    ensure!(
        agents + SPARE_DESCRIPTORS <= descriptors,
        "{agents} agents need more than the {descriptors} descriptors that this process may have (ulimit -n)"
    );
    ensure!(agents > 0 && !agents.is_multiple_of(STRIDE), "--agents: not 0 and no multiple of {STRIDE}");
    let target = args.target.target().await?;
    let beginning = Beginning::now();
    let dialers = from_addresses(&target)?;
    let (before, begun) = (target.process.memory()?, Instant::now());
    let connected = all(agents, |number| {
        let dialer = one_of(&dialers, number);
        async move { registered(dialer?, number).await }
    });
    let (connected, endpoints): (Vec<Agent>, Vec<String>) = connected.await?.into_iter().unzip();
    let mut figures = Figures::default();
    figures.note("agents", agents as f64);
    figures.note("agents_connected_per_second", agents as f64 / begun.elapsed().as_secs_f64());

    let push_dialers = target.push_dialers(endpoints.first().context("there is no agent")?)?;
    let run = HeldAgents {
        tally: Arc::new(Tally::new(beginning)),
        random: args.send.senders(push_dialers.clone(), &endpoints, beginning)?,
        to_all: args.send.in_a_closed_loop().senders(push_dialers, &endpoints, beginning)?,
    };
    let (mut listening, mut names) = (JoinSet::new(), Vec::with_capacity(agents));
    for agent in connected {
        names.push(agent.name.clone());
        let tally = Arc::clone(&run.tally);
        listening.spawn(async move { agent.listen(Habits::default(), &tally).await });
    }

    let posted = run.random.run(args.send.length(), u64::MAX).await?.all_accepted()?;
    run.all_arrived(&posted, "random", &mut figures).await?;
    let posted = run.to_all.run(TO_ALL, agents as u64).await?.all_accepted()?;
    run.all_arrived(&posted, "to_all", &mut figures).await?;
    if let Some(ended) = listening.try_join_next() {
        return ended?.context("an agent was disconnected").map(|()| figures);
    }
    let full = target.process.memory()?;
    figures.note("rss_kib_per_agent", (full.resident - before.resident) / agents as f64);

    // Their sockets are closed here.
    listening.shutdown().await;
    let sample = target.sample().await?;
    let begun = Instant::now();
    let (returned, posted) =
        tokio::join!(come_back(names, &dialers, &run.tally, begun), run.to_all.run(TO_ALL, agents as u64));
    let ((served_after, mut listening), posted) = (returned?, posted?.all_accepted()?);
    figures.note_latency("reconnected_after", &served_after);
    figures.note("reconnected_after_max_s", served_after.largest().as_secs_f64());
    run.all_arrived(&posted, "during_reconnect", &mut figures).await?;
    target.note_usage(&mut figures, &sample, "reconnect", agents as u64).await?;
    if let Some(ended) = listening.try_join_next() {
        ended?.context("an agent was disconnected")?;
    }
    figures.note("server_rss_kib", target.process.memory()?.resident);
    figures.note("server_descriptors", target.process.descriptors()? as f64);
    Ok(figures)
}

/// The senders of the agents, which count what they receive.
struct HeldAgents {
    tally: Arc<Tally>,
    random: Arc<Senders>,
    to_all: Arc<Senders>,
}

impl HeldAgents {
    /// Waits until all accepted messages were delivered and acknowledged, and records how long that took.
    async fn all_arrived(
        &self,
        posted: &PostResults,
        name: &str,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let all_came = self.tally.wait_for(posted.accepted, PATIENCE).await;
        ensure!(all_came, "{name}: only {} of {} messages arrived", self.tally.count(), posted.accepted);
        figures.note(format!("{name}_messages"), posted.accepted as f64);
        figures.note(format!("{name}_messages_per_second"), posted.rate());
        figures.note_latency(&format!("{name}_delivery"), &self.tally.latency());
        self.tally.reset();
        Ok(())
    }
}

/// Returns dialers for the same server from several addresses.
fn from_addresses(target: &Target) -> anyhow::Result<Vec<Dialer>> {
    let dialer = target.first_dialer()?;
    Ok((1..=ADDRESSES).map(|last| dialer.with_source(Ipv4Addr::new(127, 0, 2, last))).collect())
}
