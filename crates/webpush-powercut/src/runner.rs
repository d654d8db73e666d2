//! The whole program on a disk that loses power, fails and lies.
//!
//! A run is a sequence of worlds, each from a seed. A world is one data directory and its clients, through several
//! lives of the server. Each life ends with a power cut in a phase, and the next start must find all that was promised.

mod clients;
mod figures;
mod history;
mod http;
mod migration;
mod phase;
mod program;
mod world;

pub use figures::Figures;
pub use phase::Phase;

use anyhow::{Context as _, bail};
use program::Program;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use world::World;

/// Options of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The program under test.
    pub server: PathBuf,
    /// Number of power cuts, at least.
    pub cuts: u64,
    /// The seed of the first world; the following ones have the next numbers.
    pub seed: u64,
    /// Cuts in this phase only.
    pub phase: Option<Phase>,
    /// Worlds at the same time.
    pub jobs: usize,
    /// Where to copy the files of a world in which a promise was broken.
    pub keep: Option<PathBuf>,
    /// Prints each cut.
    pub verbose: bool,
}

/// Runs worlds until there were enough cuts, or a promise was broken. Returns the figures.
///
/// # Errors
/// Fails if there is no FUSE, or the program cannot be run.
pub fn run(options: &RunOptions) -> anyhow::Result<Figures> {
    if !std::path::Path::new("/dev/fuse").exists() {
        bail!("/dev/fuse is missing: load the kernel module fuse, or run this where FUSE is allowed");
    }
    if !options.server.is_file() {
        bail!(
            "{} is not a program: build webpush-server, and name it with --server",
            options.server.display()
        );
    }
    let progress = Mutex::new(Progress { next: options.seed, figures: Figures::default() });
    let results: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.jobs.max(1)).map(|_| scope.spawn(|| work(options, &progress))).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|_| bail!("the runner panicked"))
        };
        workers.into_iter().map(join).collect()
    });
    results.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(progress.into_inner().unwrap_or_else(PoisonError::into_inner).figures)
}

struct Progress {
    next: u64,
    figures: Figures,
}

fn work(options: &RunOptions, progress: &Mutex<Progress>) -> anyhow::Result<()> {
    let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let seed = {
            let mut progress = lock();
            if progress.figures.cuts() >= options.cuts || progress.figures.has_violations() {
                return Ok(());
            }
            progress.next += 1;
            progress.next - 1
        };
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let program = Program { file: options.server.clone(), directory: directory.path().to_owned() };
        let mut world = World::new(seed, program, options)?;
        if let Err(error) = world.run() {
            world.figures.fail(world.phase, format!("{error:#}"));
        }
        let report = |text: &String| println!("seed {seed}, {}: {text}", world.phase);
        world.figures.violations().for_each(report);
        if world.figures.has_violations() {
            println!("again: {}", world.command(options));
            if let Some(keep) = &options.keep {
                world.keep(&keep.join(seed.to_string()))?;
            }
        }
        lock().figures.add(world.figures);
    }
}
