//! Attacks that are measured by the rate that honest senders keep, and by memory.
//!
//! Each runs against a server of its own. Rates are shares of the rate that the same senders had before the attack, so they are
//! about fairness and not about the speed of the machine.

use super::Args;
use super::requests::RequestAttack;
use crate::body::Beginning;
use crate::figures::Figures;
use crate::process::Process;
use crate::scenario::absent::gone;
use anyhow::Context as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, interval};

/// Agents to which the honest senders send.
const AGENTS: usize = 100;
const WARM_UP: Duration = Duration::from_millis(500);
/// Interval at which the memory of the server is read.
const LOOK: Duration = Duration::from_millis(50);
/// The smallest share, in percent, of the rate without an attack that honest senders must get.
///
/// Attackers use the same cores as the server and the senders, and have up to 160 times their streams. An attack that
/// succeeds leaves less than 1 %.
const LEAST_SHARE: f64 = 5.0;

/// The effects of an attack on the others.
struct Outcome {
    /// Accepted messages of honest senders, in percent of those without the attack.
    share: f64,
    /// Largest growth of the server's memory.
    grown_mib: f64,
    /// Requests that the attackers have begun, as far as the server allowed streams.
    requests: u64,
}

/// Runs an attack, and records its figures. Returns why it succeeded, if it did.
pub(super) async fn run(
    args: &Args,
    attack: RequestAttack,
    figures: &mut Figures,
) -> anyhow::Result<Option<String>> {
    let name = attack.name();
    let outcome = measure(args, attack).await?;
    figures.note(format!("{name}_honest_share_percent"), outcome.share);
    figures.note(format!("{name}_memory_growth_mib"), outcome.grown_mib);
    figures.note(format!("{name}_requests"), outcome.requests as f64);
    Ok(outcome.success(attack))
}

async fn measure(args: &Args, attack: RequestAttack) -> anyhow::Result<Outcome> {
    let target = args.target.target().await?;
    let agents = gone(&target.dialers, AGENTS).await?;
    let endpoints: Vec<String> = agents.into_iter().map(|(_, endpoint)| endpoint).collect();
    let dialers = target.push_dialers(endpoints.first().context("there is no agent")?)?;
    let senders = args.send.senders(dialers, &endpoints, Beginning::now())?;

    senders.run(WARM_UP, u64::MAX).await?.all_accepted()?;
    let before = senders.run(args.send.length(), u64::MAX).await?.all_accepted()?.rate();
    let requests = Arc::new(AtomicU64::new(0));
    let prepared = attack.prepare(target.first_dialer()?).await?;
    let memory = target.process.memory()?.resident;
    let attackers = prepared.begin(&requests).await?;
    let (honest, highest) = tokio::join!(
        senders.run(args.send.length(), u64::MAX),
        highest_memory(&target.process, args.send.length())
    );
    drop(attackers);
    Ok(Outcome {
        share: 100.0 * honest?.rate() / before,
        grown_mib: (highest? - memory) / 1024.0,
        requests: requests.load(Ordering::Relaxed),
    })
}

/// Returns the largest resident memory during a time, in KiB.
pub(super) async fn highest_memory(process: &Process, length: Duration) -> anyhow::Result<f64> {
    let (mut highest, mut looks, end) = (0.0_f64, interval(LOOK), Instant::now() + length);
    while Instant::now() < end {
        looks.tick().await;
        highest = highest.max(process.memory()?.resident);
    }
    Ok(highest)
}

impl Outcome {
    /// Returns why the attack succeeded; `None` if it did not.
    fn success(&self, attack: RequestAttack) -> Option<String> {
        if self.requests < attack.least_requests() {
            return Some(format!(
                "only {} requests were begun: the attack did not take place",
                self.requests
            ));
        }
        if self.share < LEAST_SHARE {
            return Some(format!(
                "honest senders got {:.1} % of their rate, below {LEAST_SHARE} %",
                self.share
            ));
        }
        let limit = attack.memory_limit_mib();
        (self.grown_mib > limit)
            .then(|| format!("the server grew by {:.0} MiB, more than {limit} MiB", self.grown_mib))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_succeeds_by_share_or_memory_and_only_if_it_took_place() {
        let attack = RequestAttack::Monitors;
        let harmless = || Outcome { share: 30.0, grown_mib: 1.0, requests: 1_000_000 };
        assert_eq!(harmless().success(attack), None);
        for outcome in [
            Outcome { share: 1.0, ..harmless() },
            Outcome { grown_mib: 10_000.0, ..harmless() },
            Outcome { requests: 0, ..harmless() },
        ] {
            assert!(outcome.success(attack).is_some());
        }
    }
}
