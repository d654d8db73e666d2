//! The command line.

use crate::agent::AgentProtocol;
use crate::campaign::{self, Totals};
use crate::checker::Checker;
use crate::scenario::{FaultKind, Scenario};
use crate::shrink::Shrinker;
use crate::trace;
use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use std::ops::Range;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// Simulates push services under faults, and checks what their clients see.
///
/// The exit code is 1 if a promise was broken, and the seed is named.
#[derive(Parser)]
#[command(name = "webpush-sim", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Campaign>,
    #[command(flatten)]
    run: SingleRun,
}

#[derive(Subcommand)]
enum Campaign {
    /// Runs many seeds, until the first one that fails
    Run {
        /// The seeds: A..B, without B
        #[arg(long, value_parser = seeds, default_value = "0..1000")]
        seeds: Range<u64>,
        /// Threads; by default one for each processor
        #[arg(long)]
        jobs: Option<usize>,
        /// Runs all seeds even if some fail
        #[arg(long)]
        keep_going: bool,
    },
}

/// One run, which may be smaller than its seed makes it.
#[derive(Args)]
struct SingleRun {
    /// Runs one seed
    #[arg(long)]
    seed: Option<u64>,
    /// Prints what happens
    #[arg(long)]
    trace: bool,
    /// Prints the history, which the checker reads
    #[arg(long)]
    history: bool,
    /// Searches for a smaller run that fails for the same reason
    #[arg(long)]
    shrink: bool,
    /// Ends after this number of steps
    #[arg(long)]
    steps: Option<usize>,
    /// Has faults before this step only
    #[arg(long)]
    fault_steps: Option<usize>,
    /// Has only the agents with these numbers
    #[arg(long, value_delimiter = ',')]
    agents: Option<Vec<usize>>,
    /// Has no faults of these kinds
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("webpush-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns false if a promise was broken.
fn run(Cli { command, run }: Cli) -> anyhow::Result<bool> {
    match command {
        Some(Campaign::Run { seeds, jobs, keep_going }) => {
            let processors = || thread::available_parallelism().map_or(1, usize::from);
            let begun = Instant::now();
            let totals = campaign::run(seeds, jobs.unwrap_or_else(processors), keep_going)?;
            print!("{}", summary(&totals, begun.elapsed()));
            Ok(totals.failures.is_empty())
        }
        None => run_one(&run),
    }
}

fn run_one(run: &SingleRun) -> anyhow::Result<bool> {
    let scenario = run.scenario()?;
    let mut checker = Checker::start()?;
    let (history, report) = checker.run(&scenario)?;
    if run.trace {
        print!("{}", trace::readable(&history));
    }
    if run.history {
        print!("{history}");
    }
    for violation in &report.violations {
        println!("seed {}: {}: {}", scenario.seed, violation.rule, violation.text);
    }
    if let (true, Some(first)) = (run.shrink, report.violations.first()) {
        let smaller = Shrinker::new(&mut checker, &first.rule).shrink(scenario)?;
        println!("smaller: {}", smaller.command());
    }
    Ok(report.violations.is_empty())
}

impl SingleRun {
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let seed = self.seed.context("say --seed N, or `run --seeds A..B`")?;
        let mut scenario = Scenario::new(seed);
        scenario.steps = self.steps.unwrap_or(scenario.steps);
        scenario.fault_steps = self.fault_steps.unwrap_or(scenario.fault_steps).min(scenario.steps);
        if let Some(agents) = &self.agents {
            let is_kept = |(number, _): &(usize, AgentProtocol)| agents.contains(number);
            scenario.agents.retain(is_kept);
            if scenario.agents.is_empty() {
                bail!("seed {seed} has no such agents");
            }
        }
        for name in &self.without {
            let kind = FaultKind::parse(name).with_context(|| format!("there is no fault called {name}"))?;
            scenario.faults.remove(&kind);
        }
        Ok(scenario)
    }
}

fn summary(totals: &Totals, took: Duration) -> String {
    let mut text = String::new();
    for (seed, violations) in &totals.failures {
        for violation in violations {
            text.push_str(&format!("seed {seed}: {}: {}\n", violation.rule, violation.text));
        }
        text.push_str(&format!("repeat it: webpush-sim --seed {seed} --trace\n"));
    }
    let seconds = took.as_secs_f64();
    let years = totals.millis as f64 / 1000.0 / 3600.0 / 24.0 / 365.25;
    text.push_str(&format!(
        "{} seeds in {seconds:.1} s: {:.1} per second, {years:.2} simulated years, {} events, {} deliveries, {} seeds failed\n",
        totals.runs,
        totals.runs as f64 / seconds.max(0.001),
        totals.events,
        totals.deliveries,
        totals.failures.len(),
    ));
    text
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed
        .filter(|seeds| seeds.start < seeds.end)
        .ok_or_else(|| "give two numbers: A..B, A below B".to_owned())
}
