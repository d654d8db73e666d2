//! A realistic mix for minutes or hours.
//!
//! Every message must end as it should, and the memory, the descriptors and the store of the server must not grow.
//!
//! | to find | look in |
//! |---|---|
//! | agents that come and go; their protocols | `agents`, `session` |
//! | messages of all kinds, and receipts | `senders` |
//! | the messages that must still arrive | `expectations` |
//! | the figures over time, whether they grow, and their plot | `samples`, `trend`, `plot` |

mod agents;
mod expectations;
mod plot;
mod samples;
mod senders;
mod session;
mod trend;

use crate::body::{Beginning, Stamp};
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::random::Random;
use crate::target::{Target, TargetArgs};
use crate::tokens::{Tokens, Vapid};
use anyhow::{Context as _, bail, ensure};
use expectations::Expectations;
use samples::Samples;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Interval between samples.
const SAMPLE: Duration = Duration::from_secs(10);
/// Longest time in which nothing arrives although something is missing.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Minutes of load
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    minutes: f64,
    /// Agents, of all protocols
    #[arg(long, value_name = "N", default_value_t = 200)]
    agents: usize,
    /// Messages per second
    #[arg(long, value_name = "RATE", default_value_t = 200.0)]
    rate: f64,
    /// Seed of the choices of agents and senders
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the samples to this CSV file, and their plot beside it, as SVG
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The present task of all agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// They come and go.
    Working,
    /// They come and stay, and nothing is sent.
    Draining,
    /// They leave.
    Over,
}

/// The state that all clients share.
struct World {
    dialer: Dialer,
    mcs: SocketAddr,
    beginning: Beginning,
    /// The application server key, and what it has signed.
    key: String,
    authorization: String,
    slots: Vec<Slot>,
    numbers: AtomicU64,
    expectations: Expectations,
    phase: watch::Receiver<Phase>,
}

/// The knowledge that senders have of an agent.
#[derive(Default)]
struct Slot(Mutex<SlotState>);

#[derive(Default)]
struct SlotState {
    endpoint: Option<Endpoint>,
    /// Since when it is connected, from the beginning of the run.
    connected: Option<Duration>,
}

/// A push URL.
#[derive(Clone, Debug)]
struct Endpoint {
    path: String,
    /// The number of the subscription.
    subscription: u64,
}

/// Runs the load.
///
/// # Errors
/// If an operation fails, a message or a receipt is missing or wrong, or the server grows.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    ensure!(args.minutes > 0.0 && args.rate > 0.0 && args.agents > 0, "all numbers must be positive");
    // Each sender has agents of its own.
    ensure!(args.agents.is_multiple_of(senders::SENDERS), "--agents: a multiple of {}", senders::SENDERS);
    let mcs = free_address()?;
    let mut options = args.target.clone();
    options.server_arg.extend(["--chromium".to_owned(), mcs.to_string(), "--plaintext".to_owned()]);
    let target = options.target().await?;
    let sockets = target.process.sockets()?;
    let (to, phase) = watch::channel(Phase::Working);
    let world = Arc::new(World::new(args, &target, mcs, phase)?);
    let mut random = Random::new(args.seed);
    let mut clients = JoinSet::new();
    for number in 0..args.agents {
        clients.spawn(agents::live(Arc::clone(&world), number, random.fork()));
    }
    for number in 0..senders::SENDERS {
        let rate = args.rate / senders::SENDERS as f64;
        clients.spawn(senders::send(Arc::clone(&world), number, rate, random.fork()));
    }

    let mut samples = Samples::new(target.data_directory()?);
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    while Instant::now() < end {
        let next = (Instant::now() + SAMPLE).min(end);
        tokio::select! {
            () = tokio::time::sleep_until(next) => samples.take(&world, &target.process)?,
            // Agents and senders end before the end only if they fail.
            Some(ended) = clients.join_next() => ended??,
        }
    }
    to.send(Phase::Draining)?;
    let counts = wait_for_everything(&world, &mut clients).await;
    to.send(Phase::Over)?;
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    if let Some(out) = &args.out {
        let title = format!(
            "webpush-load soak: {} agents, {} messages/s, {} minutes",
            args.agents, args.rate, args.minutes
        );
        samples.write(out, &title)?;
    }
    counts?;
    world.expectations.check()?;
    let figures = samples.figures(&world.expectations.counts())?;
    drop(world);
    wait_for_sockets(&target, sockets).await?;
    Ok(figures)
}

/// Waits until every message that must arrive has arrived, and every receipt.
async fn wait_for_everything(world: &World, clients: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let (mut last, mut moved) = (world.expectations.missing(), Instant::now());
    while last != (0, 0) {
        ensure!(moved.elapsed() < PATIENCE, "{} messages and {} receipts never arrived", last.0, last.1);
        sleep(LOOK).await;
        while let Some(ended) = clients.try_join_next() {
            ended??;
        }
        let now = world.expectations.missing();
        if now != last {
            (last, moved) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Waits until the server has closed the connections of all clients.
async fn wait_for_sockets(target: &Target, most: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let now = target.process.sockets()?;
        if now <= most {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("the server has {now} sockets after all clients have left, more than {most}");
        }
        sleep(LOOK).await;
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl World {
    fn new(
        args: &Args,
        target: &Target,
        mcs: SocketAddr,
        phase: watch::Receiver<Phase>,
    ) -> anyhow::Result<Self> {
        let dialer = target.first_dialer()?.clone();
        let tokens = Tokens::prepare(Vapid::Repeated, &dialer.origin(), 1)?;
        let authorization = tokens.next().ok().flatten().context("no token was signed")?.to_owned();
        let (_, key) = authorization.split_once("k=").context("a token without its key")?;
        Ok(Self {
            mcs,
            beginning: Beginning::now(),
            key: key.to_owned(),
            authorization: authorization.clone(),
            slots: (0..args.agents).map(|_| Slot::default()).collect(),
            numbers: AtomicU64::new(1),
            expectations: Expectations::default(),
            phase,
            dialer,
        })
    }

    fn slot(&self, number: usize) -> anyhow::Result<&Slot> {
        self.slots.get(number).context("there is no such agent")
    }

    /// Returns a number that was not used before in this run.
    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Records that a message arrived at an agent.
    fn received(&self, agent: usize, stamp: Stamp) {
        let connected = self.slots.get(agent).and_then(|slot| slot.lock().connected);
        let was_connected = connected.is_some_and(|since| since <= stamp.due);
        self.expectations.received(stamp, self.beginning.elapsed(), was_connected);
    }

    /// Waits until nothing more is to be sent.
    async fn working_is_over(&self) {
        let mut phase = self.phase.clone();
        // Its sender is dropped after that.
        let _ = phase.wait_for(|phase| *phase != Phase::Working).await;
    }

    /// Waits until the run is over.
    async fn is_over(&self) {
        let mut phase = self.phase.clone();
        let _ = phase.wait_for(|phase| *phase == Phase::Over).await;
    }
}

impl Slot {
    fn endpoint(&self) -> Option<Endpoint> {
        self.lock().endpoint.clone()
    }

    fn set_endpoint(&self, url: String, subscription: u64) {
        let path = url.split('/').skip(3).fold(String::new(), |path, part| format!("{path}/{part}"));
        self.lock().endpoint = Some(Endpoint { path, subscription });
    }

    fn take_endpoint(&self) -> Option<Endpoint> {
        self.lock().endpoint.take()
    }

    fn set_connected(&self, since: Option<Duration>) {
        self.lock().connected = since;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SlotState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
