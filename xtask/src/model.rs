//! The model of the delivery protocol, and traces of the real program that must follow it.
//!
//! The model is in `model/`, in Quint.
//!
//! 1. The unit tests of the model: wrong traces are refused.
//! 2. Random explorations keep the invariants, and reach the states that matter.
//! 3. Without one of its rules, an exploration breaks an invariant.
//! 4. Traces of real sessions and stores are replayed.
//!
//! Everything is written to `target/model`.

mod quint;
mod replay;

use anyhow::{Result, ensure};
use quint::{Quint, Run};
use std::time::Instant;

/// Largest number of events in one exploration.
const STEPS: u32 = 50;
/// Explorations until the break of an invariant must be found.
const RELAXED_SAMPLES: u32 = 400;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Number of traces of the real program to check.
    #[arg(long, value_name = "N", default_value_t = 8)]
    traces: u32,
    /// Number of random explorations of the model.
    #[arg(long, value_name = "N", default_value_t = 300)]
    samples: u32,
    /// Seed of the first trace and of the explorations.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// Only check traces of the real program.
    #[arg(long)]
    traces_only: bool,
}

/// Runs all checks; fails with the first that does not pass.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let quint = Quint::install()?;
    if !options.traces_only {
        step("unit tests of the model", || quint.test("broken.qnt"))?;
        step("explorations", || explore(&quint, options))?;
        step("explorations without a rule", || relax(&quint, options))?;
    }
    step("traces of the program", || replay::check(&quint, options.seed, options.traces))?;
    Ok(true)
}

fn step(name: &str, check: impl FnOnce() -> Result<String>) -> Result<()> {
    let started = Instant::now();
    let result = check()?;
    println!("{name}: {result} ({:.1} s)", started.elapsed().as_secs_f64());
    Ok(())
}

/// Explores the model, in which every witness must be reached.
fn explore(quint: &Quint, options: &Options) -> Result<String> {
    let text = quint.source("exploration.qnt")?;
    let witnesses: Vec<&str> = text.lines().filter_map(witness).collect();
    let run = Run {
        file: "exploration.qnt",
        main: "delivery_exploration",
        samples: options.samples,
        steps: STEPS,
        seed: options.seed,
        witnesses: &witnesses,
    };
    let output = quint.run(&run)?;
    ensure!(output.succeeded, "an invariant is broken:\n{}", output.text);
    for name in &witnesses {
        let line = output.text.lines().find(|line| line.starts_with(&format!("{name} was witnessed in ")));
        let is_reached = line.is_some_and(|line| !line.contains(" witnessed in 0 "));
        ensure!(is_reached, "no exploration reaches {name}; --samples N explores more\n{}", output.text);
    }
    Ok(format!("{} of {STEPS} steps, {} witnesses reached", options.samples, witnesses.len()))
}

/// The name of a witness, which is declared after the comment about witnesses.
fn witness(line: &str) -> Option<&str> {
    line.strip_prefix("  val a")?;
    line.trim_start().strip_prefix("val ")?.split(' ').next()
}

/// Explores the model without each of its rules, until an invariant breaks.
///
/// The name of the module begins with that of the invariant.
fn relax(quint: &Quint, options: &Options) -> Result<String> {
    let text = quint.source("relaxed.qnt")?;
    let modules: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("module ")?.strip_suffix(" {")).collect();
    for main in &modules {
        let (samples, seed) = (RELAXED_SAMPLES, options.seed);
        let run = Run { file: "relaxed.qnt", main, samples, steps: STEPS, seed, witnesses: &[] };
        let output = quint.run(&run)?;
        let invariant = main.split('_').next().unwrap_or_default();
        let is_found =
            !output.succeeded && output.value("verdict").is_some_and(|verdict| verdict == invariant);
        ensure!(is_found, "{main}: no exploration breaks {invariant}\n{}", output.text);
    }
    Ok(format!("{} rules, each is needed", modules.len()))
}
