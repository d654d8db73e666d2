//! Clients that try to take the service from the others, or to bring it down.
//!
//! Each attack runs against a server of its own, while honest clients use it. It fails if it succeeds: if honest clients are
//! not served, if the server takes too much memory, or if a connection does not end as it should. That is decided by counts
//! and memory; latencies are only reported.
//!
//! | family | attacks |
//! |---|---|
//! | `requests` | requests that cost much; measured by `shares` |
//! | `frames`, `resets` | floods of HTTP/2 frames; streams that are reset, by either side |
//! | `slow` | heads, bodies and handshakes that never end; connections that send nothing |
//! | `websocket`, `mcs` | the same for the protocols of agents |
//! | `senders` | requests that are refused, again and again: dead push URLs, wrong credentials |
//! | `framing` | requests of HTTP/1.1 that servers understand differently |
//!
//! `victim` has the server and its honest client, `http2` frames, `end` the ways in which a connection ends.

mod end;
mod frames;
mod framing;
mod http2;
mod mcs;
mod requests;
mod resets;
mod senders;
mod shares;
mod slow;
mod victim;
mod websocket;

use crate::figures::Figures;
use crate::senders::SendArgs;
use crate::target::TargetArgs;
use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use requests::RequestAttack;
use victim::{Attack, Victim};

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    send: SendArgs,
    /// Attacks to run, or families of them [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// List the attacks
    #[arg(long)]
    list: bool,
}

/// Attacks with one way to attack.
const FAMILIES: [(&str, &[Attack]); 7] = [
    ("frames", frames::ATTACKS),
    ("resets", resets::ATTACKS),
    ("slow", slow::ATTACKS),
    ("websocket", websocket::ATTACKS),
    ("mcs", mcs::ATTACKS),
    ("senders", senders::ATTACKS),
    ("framing", framing::ATTACKS),
];

/// Runs the attacks.
///
/// # Errors
/// If an operation fails, or an attack succeeds.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    if args.list {
        list();
        return Ok(Figures::default());
    }
    let (mut figures, mut successes, mut ran) = (Figures::default(), Vec::new(), 0);
    for attack in RequestAttack::value_variants() {
        if args.wants("requests", &attack.name()) {
            ran += 1;
            let success = shares::run(args, *attack, &mut figures).await;
            successes.extend(
                success.with_context(|| attack.name())?.map(|why| format!("{}: {why}", attack.name())),
            );
        }
    }
    for (family, attacks) in FAMILIES {
        for attack in attacks.iter().filter(|attack| args.wants(family, attack.name)) {
            ran += 1;
            eprintln!("{family}: {}", attack.name);
            match Box::pin(Victim::attack(&args.target, attack)).await {
                Ok(outcome) => outcome.note(attack.name, &mut figures),
                Err(error) => successes.push(format!("{}: {error:#}", attack.name)),
            }
        }
    }
    ensure!(ran > 0, "no attack has this name; --list shows them");
    ensure!(successes.is_empty(), "{}{}", figures.lines(), successes.join("\n"));
    Ok(figures)
}

impl Args {
    fn wants(&self, family: &str, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == family || only == name)
    }
}

fn list() {
    for attack in RequestAttack::value_variants() {
        println!("{:<10} {}", "requests", attack.name());
    }
    for (family, attacks) in FAMILIES {
        for attack in attacks {
            println!("{family:<10} {:<24} {}", attack.name, attack.about);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_attack_has_a_name_of_its_own() {
        let mut names: Vec<String> =
            RequestAttack::value_variants().iter().map(|attack| attack.name()).collect();
        let families = FAMILIES.iter().flat_map(|(family, attacks)| {
            attacks.iter().map(|attack| attack.name.to_owned()).chain([(*family).to_owned()])
        });
        names.extend(families);
        let distinct: HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}
