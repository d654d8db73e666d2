//! Many seeds, on all processors.

use crate::checker::{Checker, RunReport, Violation};
use crate::scenario::Scenario;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Messages delivered.
    pub deliveries: u64,
    /// Events in histories.
    pub events: u64,
    /// Simulated milliseconds.
    pub millis: u64,
    /// The violations of each seed that has some.
    pub failures: BTreeMap<u64, Vec<Violation>>,
}

impl Totals {
    fn add(&mut self, seed: u64, report: RunReport) {
        self.runs += 1;
        self.deliveries += report.deliveries;
        self.events += report.events;
        self.millis += report.millis;
        if !report.violations.is_empty() {
            self.failures.insert(seed, report.violations);
        }
    }
}

/// Runs all seeds of a range with `jobs` threads, or until the first violation unless `keeps_going`.
///
/// # Errors
/// Fails if the checker cannot be started, or fails.
pub fn run(seeds: Range<u64>, jobs: usize, keeps_going: bool) -> anyhow::Result<Totals> {
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let totals = Mutex::new(Totals::default());
    let work = || {
        let mut checker = Checker::start()?;
        while !is_over.load(Ordering::Acquire) {
            let seed = next.fetch_add(1, Ordering::AcqRel);
            if seed >= seeds.end {
                break;
            }
            let (_, report) = checker.run(&Scenario::new(seed))?;
            if !report.violations.is_empty() && !keeps_going {
                is_over.store(true, Ordering::Release);
            }
            totals.lock().unwrap_or_else(PoisonError::into_inner).add(seed, report);
        }
        anyhow::Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")))?;
        }
        anyhow::Ok(())
    })?;
    Ok(totals.into_inner().unwrap_or_else(PoisonError::into_inner))
}
