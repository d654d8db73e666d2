//! The store without a network, and a plain file for comparison.

pub mod bare;
mod puts;
mod scale;
mod seed;

use crate::figures::Figures;
use crate::process::{Process, Sample};
use anyhow::ensure;
use clap::Subcommand;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// How long to wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Messages of 200 bytes to 1,000 inboxes: those that `absent` stores, without HTTP
    Puts(LoopArgs),
    /// Cost of a message, appended and acknowledged, in a store with many messages
    Scale(scale::Args),
}

/// A closed loop.
#[derive(clap::Args)]
pub struct LoopArgs {
    /// Directory for the files [default: the temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Records in flight
    #[arg(long, value_name = "N", default_value_t = 64)]
    in_flight: u64,
    /// Seconds to measure
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
}

/// Runs the measurement.
///
/// # Errors
/// If the store or the disk fails.
pub fn run(args: &Args) -> anyhow::Result<Figures> {
    match &args.command {
        Command::Puts(args) => puts::run(args),
        Command::Scale(args) => scale::run(args),
    }
}

/// Keeps `--in-flight` records in flight for a time.
///
/// `submit` begins one, and signals its sender when the record is durable.
fn drive(
    args: &LoopArgs,
    mut submit: impl FnMut(u64, Sender<()>) -> anyhow::Result<()>,
) -> anyhow::Result<Figures> {
    ensure!((1..=16_000).contains(&args.in_flight), "--in-flight: 1 to 16,000");
    let (sender, receiver) = channel();
    let (process, length) = (Process::this(), Duration::from_secs(args.seconds));
    let (before, begun) = (process.sample()?, Instant::now());
    let (mut begun_count, mut done) = (0, 0);
    while done < begun_count || begun.elapsed() < length {
        while begun_count - done < args.in_flight && begun.elapsed() < length {
            submit(begun_count, sender.clone())?;
            begun_count += 1;
        }
        if done < begun_count {
            receiver.recv_timeout(PATIENCE)?;
            done += 1;
        }
    }
    let mut figures = Figures::default();
    figures.note("puts", done as f64);
    figures.note("puts_per_second", done as f64 / begun.elapsed().as_secs_f64());
    note_cpu(&mut figures, &process, &before, "put", done)?;
    Ok(figures)
}

/// Records the processor time of this process, with and without the loop that drives it.
fn note_cpu(
    figures: &mut Figures,
    process: &Process,
    before: &Sample,
    each: &str,
    count: u64,
) -> anyhow::Result<()> {
    let spent = process.usage_since(before)?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
    let driving = std::fs::read_to_string("/proc/self/comm")?;
    let driven = spent.by_thread.get(driving.trim()).copied().unwrap_or_default();
    figures.note(format!("cpu_us_per_{each}_with_load"), micros(spent.total));
    figures.note(format!("cpu_us_per_{each}"), micros(spent.total.saturating_sub(driven)));
    Ok(())
}
