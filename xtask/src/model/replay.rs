//! Traces of real sessions and stores, replayed by the model.

use super::quint::{Output, Quint, Run};
use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::process::Command;

/// Seeds that are replayed in one run of Quint, whose start takes seconds.
const BATCH: u32 = 16;
/// More than any batch has.
const EVENTS: u32 = 100_000;

/// Writes traces from a seed on, and replays them.
pub(super) fn check(quint: &Quint, seed: u32, traces: u32) -> Result<String> {
    let mut events = 0;
    let end = seed.checked_add(traces).context("seeds end at 2^32")?;
    for first in (seed..end).step_by(BATCH as usize) {
        events += replay(quint, first, BATCH.min(end - first))?;
    }
    Ok(format!("{traces} traces with {events} events are behaviors of the model"))
}

/// Returns the number of events.
fn replay(quint: &Quint, first: u32, count: u32) -> Result<u64> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--package", "webpush-service", "--example", "delivery_traces", "--"]);
    cargo.arg(quint.directory.join("traces.qnt")).args([first.to_string(), count.to_string()]);
    let written = shell::output(&mut cargo)?;
    let events = written.split_whitespace().nth(2).and_then(|number| number.parse().ok());
    let events: u64 = events.with_context(|| format!("the traces were not counted: {written}"))?;
    let run = Run { file: "replay.qnt", main: "replay", samples: 1, steps: EVENTS, seed: 0, witnesses: &[] };
    let output = quint.run(&run)?;
    if !output.succeeded {
        bail!("{}", failure(quint, first, &output)?);
    }
    Ok(events)
}

/// Describes the first event that is not one of the model.
fn failure(quint: &Quint, first: u32, output: &Output) -> Result<String> {
    let number = |name| output.value(name).and_then(|value| value.parse::<usize>().ok());
    let (Some(trace), Some(event), Some(verdict)) =
        (number("trace"), number("event"), output.value("verdict"))
    else {
        return Ok(format!("the replay failed:\n{}", output.text));
    };
    let seed = first as usize + trace;
    let traces = quint.source("traces.qnt")?;
    let start = format!("  pure val TRACE_{seed}: ");
    let events: Vec<&str> =
        traces.lines().skip_while(|line| !line.starts_with(&start)).skip(1).take(event).collect();
    let context = events[events.len().saturating_sub(12)..].join("\n");
    Ok(format!(
        "seed {seed}: event {event} is not one of the model: {verdict}\n{context}\n\
         repeat it: cargo xtask model --traces-only --traces 1 --seed {seed}"
    ))
}
