//! The process that checks histories.

use crate::scenario::Scenario;
use crate::world;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The program that checks.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/checker/check.py");

/// A process that checks histories, one after the other.
pub struct Checker {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// The result of a run.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RunReport {
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// Events in the history.
    pub events: u64,
    /// Messages delivered.
    pub deliveries: u64,
    /// Simulated milliseconds.
    #[serde(rename = "t")]
    pub millis: u64,
}

/// A broken promise.
#[derive(Clone, Debug, Deserialize)]
pub struct Violation {
    /// The name of the rule.
    pub rule: String,
    /// A description of the event.
    pub text: String,
}

impl Checker {
    /// Starts the process.
    ///
    /// # Errors
    /// Fails if there is no Python 3.
    pub fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("python3");
        command.arg(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start python3, which checks the histories")?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let output = BufReader::new(output.context("the checker has no output")?);
        Ok(Self { process, input, output })
    }

    /// Checks a complete history.
    ///
    /// # Errors
    /// Fails if the checker does.
    pub fn check(&mut self, history: &str) -> anyhow::Result<RunReport> {
        let input = self.input.as_mut().context("the checker has ended")?;
        input.write_all(history.as_bytes()).and_then(|()| input.flush()).context("the checker has ended")?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the checker has failed; see its message above");
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Carries out a scenario and checks its history. Returns both.
    ///
    /// # Errors
    /// Fails if the run cannot start, or the checker fails.
    pub fn run(&mut self, scenario: &Scenario) -> anyhow::Result<(String, RunReport)> {
        let Ok(history) = catch_unwind(AssertUnwindSafe(|| world::run(scenario))) else {
            let text = "the server or a client panicked; see the message above".to_owned();
            let violations = vec![Violation { rule: "panic".to_owned(), text }];
            return Ok((String::new(), RunReport { violations, ..RunReport::default() }));
        };
        let history = history?;
        let report = self.check(&history)?;
        Ok((history, report))
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        drop(self.process.wait());
    }
}
