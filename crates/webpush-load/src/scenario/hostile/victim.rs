//! A server under attack, and its honest client.

use super::end::{End, Ends};
use crate::autopush::Agent;
use crate::body::{self, Stamp, uuid};
use crate::dial::Dialer;
use crate::figures::{Figures, micros};
use crate::histogram::Histogram;
use crate::post::{Http1, Push};
use crate::process::Process;
use crate::target::{Target, TargetArgs};
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

/// Messages that the honest client sends and receives during each attack; all must arrive.
const ROUNDS: u64 = 40;
/// Rounds on a connection before the honest client opens another.
const ROUNDS_PER_CONNECTION: u64 = 4;
/// Longest time for one message from request to acknowledgement.
const ROUND: Duration = Duration::from_secs(30);
/// Pause of an honest client that was refused.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time for an attack, which ends by itself much earlier.
const LONGEST: Duration = Duration::from_secs(240);
/// Interval at which the memory of the server is read.
const LOOK: Duration = Duration::from_millis(50);

/// The work of an attack.
///
/// It returns when it has ended, or repeats until the honest client has been served.
pub(super) type Attacking = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// An attack that is decided by counts.
pub(super) struct Attack {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// A line for the list.
    pub(super) about: &'static str,
    /// Further arguments of the server: timeouts, so that ends come soon.
    pub(super) server: &'static [&'static str],
    /// Growth of the server's memory that it may cause, in MiB.
    pub(super) memory_mib: f64,
    /// New connections of honest clients may be refused for a while.
    pub(super) refuses: bool,
    /// The ends that its connections may have; none if it is a table of requests.
    pub(super) ends: &'static [End],
    /// Attacks.
    pub(super) run: fn(Arc<Victim>) -> Attacking,
}

impl Attack {
    /// The values of most attacks.
    pub(super) const USUAL: Self = Self {
        name: "",
        about: "",
        server: &[],
        memory_mib: 64.0,
        refuses: false,
        ends: &[],
        run: |_| Box::pin(async { Ok(()) }),
    };
}

/// A server under attack. Shared by the attackers.
pub(super) struct Victim {
    /// Connects to it.
    pub(super) dialer: Dialer,
    /// The server itself.
    pub(super) process: Process,
    /// Its MCS port.
    pub(super) mcs: SocketAddr,
    /// The ends of the attackers' connections.
    pub(super) ends: Ends,
    served: AtomicU64,
    refused: AtomicU64,
    /// Requests of attackers that were refused as they should.
    refusals: AtomicU64,
    is_over: AtomicBool,
}

/// The effects of an attack.
pub(super) struct Outcome {
    ends: BTreeMap<End, u64>,
    served: u64,
    /// Connections of the honest client that were refused.
    refused: u64,
    /// Requests of attackers that were refused as they should.
    refusals: u64,
    /// Processor time of the server during the attack.
    cpu: Duration,
    latency: Histogram,
    grown_mib: f64,
}

impl Victim {
    /// Starts a server, attacks it, and checks the effects.
    ///
    /// # Errors
    /// If the attack succeeds, or did not take place.
    pub(super) async fn attack(options: &TargetArgs, attack: &Attack) -> anyhow::Result<Outcome> {
        let mcs = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut options = options.clone();
        options.server_arg.extend(["--chromium".to_owned(), mcs.to_string()]);
        options.tls |= attack.server.contains(&"--tls");
        if !options.tls {
            options.server_arg.push("--plaintext".to_owned());
        }
        let flags = attack.server.iter().filter(|flag| **flag != "--tls");
        options.server_arg.extend(flags.map(|flag| (*flag).to_owned()));
        let target = options.target().await?;
        let victim = Arc::new(Self {
            dialer: target.first_dialer()?.clone(),
            process: target.process.clone(),
            mcs,
            ends: Ends::default(),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        // One round before, so that its memory is not that of the attack.
        let mut client = HonestClient::connect(&victim.dialer).await?;
        client.round().await?;
        let (before, sample) = (target.process.memory()?.resident, target.process.sample()?);

        let mut honest = JoinSet::new();
        honest.spawn(client.work(Arc::clone(&victim)));
        let attacking = timeout(LONGEST, (attack.run)(Arc::clone(&victim)));
        let (attacked, highest) = tokio::join!(
            async {
                let attacked = attacking.await;
                // A table of requests may end before the honest client has been served often enough.
                let served = timeout(LONGEST, victim.until_served()).await;
                victim.is_over.store(true, Ordering::Release);
                attacked.context("the attack does not end")??;
                served.context("the honest client is not served")
            },
            highest_memory(&target, &victim)
        );
        let latency = honest.join_next().await.context("there is no honest client")??;
        let latency = latency.context("the honest client was not served")?;
        attacked?;
        let outcome = Outcome {
            ends: victim.ends.counts(),
            served: victim.served.load(Ordering::Acquire),
            refused: victim.refused.load(Ordering::Acquire),
            refusals: victim.refusals.load(Ordering::Acquire),
            cpu: target.process.usage_since(&sample)?.total,
            latency,
            grown_mib: (highest? - before) / 1024.0,
        };
        outcome.check(attack)?;
        Ok(outcome)
    }

    /// Returns true until the honest client has been served often enough.
    pub(super) fn is_under_attack(&self) -> bool {
        self.served.load(Ordering::Acquire) < ROUNDS && !self.is_over.load(Ordering::Acquire)
    }

    /// Records a request that was refused as it should.
    pub(super) fn count_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::AcqRel);
    }

    /// Repeats an attack on some connections at once until the honest client has been served often enough.
    ///
    /// Each is performed once at least, and its end is recorded.
    ///
    /// # Errors
    /// If an attack fails for a reason that is not the server's.
    pub(super) async fn repeat<F>(
        self: Arc<Self>,
        connections: usize,
        attack: impl Fn(Arc<Self>, usize) -> F + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<End>> + Send + 'static,
    {
        let mut attackers = JoinSet::new();
        for number in 0..connections {
            let (victim, attack) = (Arc::clone(&self), attack.clone());
            attackers.spawn(async move {
                loop {
                    let end = attack(Arc::clone(&victim), number).await?;
                    victim.ends.record(end);
                    if !victim.is_under_attack() {
                        return anyhow::Ok(());
                    }
                }
            });
        }
        while let Some(ended) = attackers.join_next().await {
            ended??;
        }
        Ok(())
    }

    async fn until_served(&self) {
        let mut looks = interval(LOOK);
        while self.is_under_attack() {
            looks.tick().await;
        }
    }
}

/// Returns the largest resident memory until the attack is over, in KiB.
async fn highest_memory(target: &Target, victim: &Victim) -> anyhow::Result<f64> {
    let (mut highest, mut looks) = (0.0_f64, interval(LOOK));
    while !victim.is_over.load(Ordering::Acquire) {
        looks.tick().await;
        highest = highest.max(target.process.memory()?.resident);
    }
    Ok(highest)
}

impl Outcome {
    fn check(&self, attack: &Attack) -> anyhow::Result<()> {
        ensure!(self.served >= ROUNDS, "only {} of {ROUNDS} honest messages were served", self.served);
        let refused = self.refused;
        ensure!(attack.refuses || refused == 0, "{refused} connections of the honest client were refused");
        let limit = attack.memory_mib;
        ensure!(
            self.grown_mib <= limit,
            "the server grew by {:.0} MiB, more than {limit} MiB",
            self.grown_mib
        );
        let unexpected: Vec<_> = self.ends.iter().filter(|(end, _)| !attack.ends.contains(end)).collect();
        ensure!(unexpected.is_empty(), "connections ended in another way: {unexpected:?}");
        ensure!(self.refusals > 0 || !self.ends.is_empty(), "the attack did not take place");
        Ok(())
    }

    /// Records the figures.
    pub(super) fn note(&self, name: &str, figures: &mut Figures) {
        figures.note(format!("{name}_honest_served"), self.served as f64);
        figures.note(format!("{name}_honest_p50_us"), micros(self.latency.per_mille(500)));
        figures.note(format!("{name}_honest_max_us"), micros(self.latency.largest()));
        figures.note(format!("{name}_memory_growth_mib"), self.grown_mib);
        if self.refused > 0 {
            figures.note(format!("{name}_honest_refused"), self.refused as f64);
        }
        if self.refusals > 0 {
            figures.note(format!("{name}_refusals"), self.refusals as f64);
            // Together with what the honest client costs.
            let each = micros(self.cpu) / self.refusals as f64;
            figures.note(format!("{name}_server_cpu_us_per_refusal"), each);
        }
        for (end, count) in &self.ends {
            figures.note(format!("{name}_{end}"), *count as f64);
        }
    }
}

/// An agent and its application server, which opens new connections often.
struct HonestClient {
    dialer: Dialer,
    agent: Agent,
    sender: Http1,
    path: String,
    rounds: u64,
}

impl HonestClient {
    async fn connect(dialer: &Dialer) -> anyhow::Result<Self> {
        let mut agent = Agent::hello(dialer, None).await?;
        let endpoint = agent.register(&uuid(1)).await?;
        let path = endpoint.parse::<http::Uri>()?.path().to_owned();
        let sender = Http1::connect(dialer).await?;
        Ok(Self { dialer: dialer.clone(), agent, sender, path, rounds: 0 })
    }

    /// Sends messages until the attack is over, and returns their latencies.
    async fn work(mut self, victim: Arc<Victim>) -> anyhow::Result<Histogram> {
        let mut latency = Histogram::default();
        while !victim.is_over.load(Ordering::Acquire) {
            let begun = Instant::now();
            let round = timeout(ROUND, async {
                while self.rounds.is_multiple_of(ROUNDS_PER_CONNECTION) && self.reconnect().await.is_err() {
                    victim.refused.fetch_add(1, Ordering::AcqRel);
                    sleep(PAUSE).await;
                }
                self.round().await
            });
            let round = round.await;
            let round = round.context("a message took longer than half a minute").flatten();
            if let Err(error) = round {
                // The attackers end now.
                victim.is_over.store(true, Ordering::Release);
                return Err(error);
            }
            latency.record(begun.elapsed());
            victim.served.fetch_add(1, Ordering::AcqRel);
        }
        Ok(latency)
    }

    async fn reconnect(&mut self) -> anyhow::Result<()> {
        let name = self.agent.name.clone();
        self.agent = Agent::hello(&self.dialer, Some(&name)).await?;
        // A sender that is connected is not refused yet: the first response shows it.
        self.sender = Http1::connect(&self.dialer).await?;
        let push = Push { path: "/nowhere", authorization: None, ttl: 0, body: b"x" };
        self.sender.push(&push).await.map(drop)
    }

    /// Sends a message, receives it, and acknowledges it.
    async fn round(&mut self) -> anyhow::Result<()> {
        self.rounds += 1;
        let mut body = Vec::new();
        body::write(&mut body, Stamp { number: self.rounds, due: Duration::ZERO }, 200);
        let push = Push { path: &self.path, authorization: None, ttl: 3600, body: &body };
        let status = self.sender.push(&push).await?;
        ensure!(status == 201, "an honest message was refused with {status}");
        loop {
            let (stamp, acknowledgement) = self.agent.notification().await?;
            self.agent.confirm(&acknowledgement).await?;
            // The last acknowledgement on a connection may have been lost with it.
            if stamp.is_some_and(|stamp| stamp.number == self.rounds) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACK: Attack =
        Attack { name: "a", memory_mib: 10.0, ends: &[End::Closed, End::Code(11)], ..Attack::USUAL };

    #[test]
    fn an_attack_succeeds_by_service_memory_or_another_end_and_only_if_it_took_place() {
        let outcome = || Outcome {
            ends: BTreeMap::from([(End::Closed, 3)]),
            served: ROUNDS,
            refused: 0,
            refusals: 0,
            cpu: Duration::ZERO,
            latency: Histogram::default(),
            grown_mib: 1.0,
        };
        outcome().check(&ATTACK).unwrap();
        for outcome in [
            Outcome { served: ROUNDS - 1, ..outcome() },
            Outcome { refused: 1, ..outcome() },
            Outcome { grown_mib: 11.0, ..outcome() },
            Outcome { ends: BTreeMap::from([(End::Closed, 3), (End::Survived, 1)]), ..outcome() },
            Outcome { ends: BTreeMap::new(), ..outcome() },
        ] {
            assert!(outcome.check(&ATTACK).is_err());
        }
    }
}
