//! Idle agents: server memory per agent, cost of connecting, processor time while idle.

use crate::audience::{AudienceArgs, Via, all, one_of, subscribe};
use crate::autopush::Agent;
use crate::body::{Beginning, uuid};
use crate::figures::Figures;
use crate::monitors::Subscription;
use crate::tally::Tally;
use crate::target::{Target, TargetArgs};
use anyhow::{Context as _, ensure};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Agents connected before the measurement, which make the allocator grow.
pub(crate) const FIRST: usize = 64;
/// File descriptors of the load itself.
const SPARE_DESCRIPTORS: usize = 64;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    audience: AudienceArgs,
    /// Agents on WebSockets register a channel each; otherwise they only say hello
    #[arg(long)]
    register: bool,
    /// Seconds of idleness to measure
    #[arg(long, value_name = "N", default_value_t = 10)]
    rest: u64,
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails, or an agent disconnects.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let descriptors = descriptors()?;
    ensure!(
        args.audience.agents + FIRST + SPARE_DESCRIPTORS <= descriptors,
        "{} agents need more than the {descriptors} descriptors that this process may have (ulimit -n)",
        args.audience.agents
    );
    let target = args.target.target().await?;
    // Memory of subscriptions in the store is not counted as memory of connected agents.
    let mut subscriptions = match args.audience.via {
        Via::Push => subscribe(&target.dialers, FIRST + args.audience.agents).await?,
        Via::Websocket => Vec::new(),
    };
    let first = Agents::connect(args, &target, FIRST, &mut subscriptions).await?;
    target.process.wait_until_quiet()?;

    let (memory, before, begun) = (target.process.memory()?, target.process.sample()?, Instant::now());
    let mut agents = Agents::connect(args, &target, args.audience.agents, &mut subscriptions).await?;
    let time = begun.elapsed();
    target.process.wait_until_quiet()?;
    let connecting = target.process.usage_since(&before)?;
    let full = target.process.memory()?;

    let before = target.process.sample()?;
    tokio::time::sleep(Duration::from_secs(args.rest)).await;
    let resting = target.process.usage_since(&before)?;
    agents.are_there()?;
    drop(first);

    let count = args.audience.agents as f64;
    let mut figures = Figures::default();
    figures.note("agents", count);
    figures.note("agents_connected_per_second", count / time.as_secs_f64());
    figures.note("user_memory_kib_per_agent", (full.anonymous - memory.anonymous) / count);
    figures.note("rss_kib_per_agent", (full.resident - memory.resident) / count);
    figures.note("server_rss_kib", full.resident);
    figures.note_cpu(&connecting, "connect", args.audience.agents as u64);
    figures.note("rest_percent_of_a_core", resting.percent_of_a_core());
    Ok(figures)
}

/// Connected agents, until this is dropped.
struct Agents(JoinSet<anyhow::Result<()>>);

impl Agents {
    async fn connect(
        args: &Args,
        target: &Target,
        count: usize,
        subscriptions: &mut Vec<Subscription>,
    ) -> anyhow::Result<Self> {
        match args.audience.via {
            Via::Websocket => Self::sockets(args, target, count).await,
            Via::Push => {
                let tally = Arc::new(Tally::new(Beginning::now()));
                let subscriptions = subscriptions.split_off(subscriptions.len().saturating_sub(count));
                Ok(Self(args.audience.hold(&target.dialers, subscriptions, &tally).await?))
            }
        }
    }

    async fn sockets(args: &Args, target: &Target, count: usize) -> anyhow::Result<Self> {
        let register = args.register;
        let connected = all(count, |number| {
            let dialer = one_of(&target.dialers, number);
            async move {
                let mut agent = Agent::hello(&dialer?, None).await?;
                if register {
                    agent.register(&uuid(number as u64)).await?;
                }
                Ok(agent)
            }
        });
        let mut agents = JoinSet::new();
        for agent in connected.await? {
            agents.spawn(agent.idle());
        }
        Ok(Self(agents))
    }

    fn are_there(&mut self) -> anyhow::Result<()> {
        match self.0.try_join_next() {
            Some(ended) => ended?.context("an agent did not stay"),
            None => Ok(()),
        }
    }
}

/// Returns the number of descriptors that this process may have.
///
/// # Errors
/// If the kernel does not say.
pub(crate) fn descriptors() -> anyhow::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    match soft.context("the kernel does not say how many descriptors there may be")? {
        "unlimited" => Ok(usize::MAX),
        number => Ok(number.parse()?),
    }
}
