//! Parts of the path of a message, each repeated a given number of times.
//!
//! `cargo xtask budget` runs them under valgrind: the difference between two runs of different length, divided by the
//! repetitions, is the cost of one, without the start of the program.
//!
//! IDs, times and keys are fixed, nothing depends on the clock, and an unexpected result ends the program. At the end the
//! program prints how often its threads have waited, which counts as a context switch.
//!
//! | scenario | once is |
//! |---|---|
//! | `parse`, `accept`, `vapid` | [`requests`]: parses the head of a push; accepts it; verifies a cached token |
//! | `seal`, `open` | [`urls`]: makes the URL of a message; opens a push URL |
//! | `rfc8030`, `autopush` | [`sessions`]: a message from the wakeup of its session to its settlement |
//! | `read-frame`, `write-frame` | [`frames`]: one WebSocket frame |
//! | `entry-row`, `log-frame`, `store` | [`stored`]: encodes and decodes; appends a message durably and settles it |
//! | `service` | [`service`]: a message through a whole service: posted, stored, delivered, acknowledged and settled |
//! | `server`, `server-64` | the same with the runtime of the server; 64 messages at once, each to another agent |

pub mod frames;
pub mod requests;
mod samples;
pub mod service;
pub mod sessions;
pub mod stored;
pub mod urls;

use crate::process::Process;
use anyhow::{Context as _, bail};
use std::env::args;
use std::process::ExitCode;

/// Runs a scenario a number of times.
pub type Scenario = fn(u32) -> anyhow::Result<()>;

/// The scenarios, by name.
pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("parse", requests::parse),
    ("accept", requests::judge_one),
    ("vapid", requests::vapid),
    ("seal", urls::seal),
    ("open", urls::open),
    ("rfc8030", sessions::rfc8030),
    ("autopush", sessions::autopush),
    ("read-frame", frames::read),
    ("write-frame", frames::write),
    ("entry-row", stored::entry_row),
    ("log-frame", stored::log_frame),
    ("store", stored::store),
    ("service", service::one),
    ("server", service::one_on_workers),
    ("server-64", service::many_on_workers),
];

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match run(args().nth(1).as_deref(), args().nth(2).as_deref()) {
        Ok(switches) => {
            println!("context_switches {switches}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("webpush-count: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a scenario, and returns the context switches of this process.
fn run(name: Option<&str>, times: Option<&str>) -> anyhow::Result<u64> {
    let Some((_, scenario)) = SCENARIOS.iter().find(|(known, _)| Some(*known) == name) else {
        let names: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        bail!("expected SCENARIO TIMES, where SCENARIO is one of: {}", names.join(", "));
    };
    scenario(times.and_then(|times| times.parse().ok()).context("TIMES is a number")?)?;
    Process::this().context_switches()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_comes_out_as_meant() {
        for (name, _) in SCENARIOS {
            run(Some(name), Some("3")).unwrap();
        }
        assert!(run(Some("parse"), None).is_err());
        assert!(run(Some("unknown"), Some("3")).is_err());
    }
}
