//! Far more load than a server with little memory can carry.
//!
//! It must refuse before its memory ends, with 503 and `Retry-After`, and keep everything that it has accepted.

use crate::audience::all;
use crate::autopush::Agent;
use crate::body::{self, Stamp};
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::h2_client::Client;
use crate::scenario::absent::gone;
use crate::target::{Target, TargetArgs};
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::StatusCode;
use http::header::RETRY_AFTER;
use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const WINDOW: u32 = 65_535;
/// Agents to which the honest sender sends while they are away.
const AGENTS: usize = 50;
/// Messages that it sends before the overload.
const BEFORE: usize = 200;
/// Messages that must be refused, so that the overload has lasted for a while.
const REFUSED: usize = 500;
/// Requests of each attacker whose bodies never end.
const BODIES: usize = 128;
/// Attackers that begin in each round of the honest sender; together they would take gigabytes.
const ATTACKERS_PER_ROUND: usize = 4;
const MOST_ATTACKERS: usize = 800;
/// Messages of the honest sender, most of which must be refused.
const MOST_MESSAGES: u64 = 10_000;
/// Memory above the limit that the server may take.
///
/// Until it has noticed, and for work that cannot be refused.
const SPARE_KIB: f64 = 64.0 * 1024.0;
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
const BODY: [u8; 4000] = [7; 4000];

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Memory that the server may use, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 96)]
    limit: u32,
}

/// The results of the honest sender.
#[derive(Default)]
struct Outcome {
    /// Accepted messages, by number, with the number of their agent.
    accepted: HashMap<u64, usize>,
    refused: usize,
    /// Highest memory of the server, in KiB.
    highest: f64,
}

/// Runs the overload.
///
/// # Errors
/// If the server takes too much memory, refuses in another way, or loses a message.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut options = args.target.clone();
    let limit = format!("{}MiB", args.limit);
    options.server_arg.extend(["--memory".to_owned(), limit, "--admin".to_owned(), admin.to_string()]);
    options.server_arg.extend(["--row-cache".to_owned(), "8MiB".to_owned()]);
    let target = options.target().await?;
    let admin = Dialer::new(&format!("http://{admin}"), None)?;
    let agents = gone(&target.dialers, AGENTS).await?;
    let client = Client::connect(target.first_dialer()?, WINDOW).await?;
    let mut outcome = Outcome::default();
    for number in 0..BEFORE {
        outcome.send(&client, &agents, number as u64).await?;
    }
    ensure!(outcome.refused == 0, "{} messages were refused before the overload", outcome.refused);
    ensure!(!warns(&admin).await?, "memory is low before the overload");

    let attackers = outcome.overload(&target, &client, &agents).await?;
    ensure!(warns(&admin).await?, "/ready has no warning while memory is low");
    let most = f64::from(args.limit) * 1024.0 + SPARE_KIB;
    ensure!(outcome.highest <= most, "the server used {} KiB, more than {most}", outcome.highest);
    let count = attackers.len();
    drop(attackers);

    let begun = Instant::now();
    let mut number = outcome.accepted.len() + outcome.refused;
    while !outcome.send(&client, &agents, number as u64).await? {
        ensure!(begun.elapsed() < PATIENCE, "messages are still refused after the overload");
        number += 1;
        sleep(LOOK).await;
    }
    let recovered = begun.elapsed();
    while warns(&admin).await? {
        ensure!(begun.elapsed() < PATIENCE, "/ready still warns after the overload");
        sleep(LOOK).await;
    }
    outcome.all_arrive(&target, agents).await?;

    let mut figures = Figures::default();
    figures.note("memory_limit_kib", f64::from(args.limit) * 1024.0);
    figures.note("memory_highest_kib", outcome.highest);
    figures.note("attacking_connections", count as f64);
    figures.note("attacking_requests", (count * BODIES) as f64);
    figures.note("accepted", outcome.accepted.len() as f64);
    figures.note("refused_503_with_retry_after", outcome.refused as f64);
    figures.note("recovered_after_s", recovered.as_secs_f64());
    figures.note("delivered", outcome.accepted.len() as f64);
    Ok(figures)
}

impl Outcome {
    /// Sends a message. Returns true if it was accepted, false if it was refused as it should be.
    async fn send(
        &mut self,
        client: &Client,
        agents: &[(String, String)],
        number: u64,
    ) -> anyhow::Result<bool> {
        let agent = usize::try_from(number)? % agents.len();
        let (_, endpoint) = agents.get(agent).context("there is no agent")?;
        let mut bytes = Vec::new();
        body::write(&mut bytes, Stamp { number, due: Duration::ZERO }, 1000);
        let headers = [("ttl", "3600"), ("content-encoding", "aes128gcm")];
        let answer = client.ask("POST", endpoint, &headers, bytes.into()).await?;
        match answer.status {
            StatusCode::CREATED => drop(self.accepted.insert(number, agent)),
            StatusCode::SERVICE_UNAVAILABLE if answer.headers.contains_key(RETRY_AFTER) => self.refused += 1,
            status => bail!("a message was refused with {status}, or without Retry-After"),
        }
        Ok(answer.status == StatusCode::CREATED)
    }

    /// Adds attackers until the server refuses, and goes on while it does.
    ///
    /// Returns the attackers, who hold what they have.
    async fn overload(
        &mut self,
        target: &Target,
        client: &Client,
        agents: &[(String, String)],
    ) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
        let mut attackers = JoinSet::new();
        let (_, first) = agents.first().context("there is no agent")?;
        let mut number = self.accepted.len() as u64;
        while self.refused < REFUSED {
            ensure!(number < MOST_MESSAGES, "only {} of {number} messages were refused", self.refused);
            let more = ATTACKERS_PER_ROUND.min(MOST_ATTACKERS - attackers.len());
            for _ in 0..more {
                let (dialer, url) = (target.first_dialer()?.clone(), first.clone());
                attackers.spawn(async move { endless_bodies(&dialer, &url).await });
            }
            self.send(client, agents, number).await?;
            number += 1;
            self.highest = self.highest.max(target.process.memory()?.anonymous);
        }
        Ok(attackers)
    }

    /// Lets all agents connect, and waits until each accepted message has arrived.
    async fn all_arrive(&self, target: &Target, agents: Vec<(String, String)>) -> anyhow::Result<()> {
        let mut expected: Vec<HashSet<u64>> = vec![HashSet::new(); agents.len()];
        for (number, agent) in &self.accepted {
            if let Some(of_agent) = expected.get_mut(*agent) {
                of_agent.insert(*number);
            }
        }
        let dialer = target.first_dialer()?;
        let mut waiting = agents.into_iter().zip(expected);
        let received = all(waiting.len(), |_| {
            let (dialer, next) = (dialer.clone(), waiting.next());
            async move {
                let ((name, _), mut missing) = next.context("there is no agent")?;
                let mut agent = Agent::hello(&dialer, Some(&name)).await?;
                while !missing.is_empty() {
                    let (stamp, acknowledgement) = agent.notification().await?;
                    agent.confirm(&acknowledgement).await?;
                    stamp.map(|stamp| missing.remove(&stamp.number));
                }
                Ok(())
            }
        });
        timeout(PATIENCE, received).await.context("accepted messages did not arrive")?.map(drop)
    }
}

/// Begins requests whose bodies never end, and holds them until it is dropped.
async fn endless_bodies(dialer: &Dialer, url: &str) -> anyhow::Result<()> {
    let (client, mut held) = (Client::connect(dialer, WINDOW).await?, Vec::new());
    for _ in 0..BODIES {
        let (response, mut stream) = client.begin("POST", url, &[("ttl", "60")], true).await?;
        stream.send_data(Bytes::from_static(&BODY), false)?;
        held.push((response, stream));
    }
    std::future::pending().await
}

/// Returns true if `/ready` warns that memory is low.
///
/// The server stays ready, as another one would get the same load.
async fn warns(admin: &Dialer) -> anyhow::Result<bool> {
    let mut stream = admin.connect_tcp().await?;
    let request = format!("GET /ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", admin.authority);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(
        answer.starts_with("HTTP/1.1 200 "),
        "/ready returned {}",
        answer.lines().next().unwrap_or_default()
    );
    Ok(answer.contains("memory is low"))
}
