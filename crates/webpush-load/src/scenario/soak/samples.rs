//! Figures of the server over time, and the verdict on them.

use super::World;
use super::expectations::Counts;
use super::plot::{Panel, Series, svg};
use super::trend::{GrowthLimit, Trend};
use crate::figures::{Figures, micros};
use crate::process::Process;
use anyhow::{Context as _, ensure};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Minutes until caches, logs and the allocator have their size.
const WARM_UP_MINUTES: f64 = 5.0;
/// Minutes after that which a verdict on growth needs. A shorter run is decided by counts alone.
const LEAST_MINUTES: f64 = 5.0;
const MIB: f64 = 1024.0 * 1024.0;

/// The columns, in the order of [`Sample`].
const COLUMNS: [&str; COLUMN_COUNT] = [
    "minutes",
    "rss_mib",
    "descriptors",
    "threads",
    "store_mib",
    "messages_per_second",
    "missing",
    "post_p50_us",
    "post_p99_us",
    "delivery_p50_us",
    "delivery_p99_us",
];
const COLUMN_COUNT: usize = 11;
const RSS: usize = 1;
const DESCRIPTORS: usize = 2;
const THREADS: usize = 3;
const STORE: usize = 4;

/// Figures that must not grow.
///
/// The log of the store and the journal of its engine grow to 64 MiB each and start anew.
const LIMITS: [(usize, GrowthLimit); 4] = [
    (RSS, GrowthLimit { fixed: 16.0, percent: 5.0 }),
    (DESCRIPTORS, GrowthLimit { fixed: 16.0, percent: 5.0 }),
    (THREADS, GrowthLimit { fixed: 2.0, percent: 0.0 }),
    (STORE, GrowthLimit { fixed: 64.0, percent: 10.0 }),
];

/// One value for each of [`COLUMNS`].
type Sample = [f64; COLUMN_COUNT];

/// The samples of a run.
pub(super) struct Samples {
    store: PathBuf,
    all: Vec<Sample>,
    accepted: u64,
}

impl Samples {
    pub(super) const fn new(store: PathBuf) -> Self {
        Self { store, all: Vec::new(), accepted: 0 }
    }

    /// Takes a sample.
    pub(super) fn take(&mut self, world: &World, process: &Process) -> anyhow::Result<()> {
        let minutes = world.beginning.elapsed().as_secs_f64() / 60.0;
        let before = self.all.last().map_or(0.0, |sample| sample[0]);
        let (counts, (posts, deliveries)) =
            (world.expectations.counts(), world.expectations.take_latencies());
        let accepted = counts.accepted - self.accepted;
        self.accepted = counts.accepted;
        self.all.push([
            minutes,
            process.memory()?.resident / 1024.0,
            process.descriptors()? as f64,
            process.threads()? as f64,
            allocated_bytes(&self.store)? as f64 / MIB,
            accepted as f64 / (minutes - before) / 60.0,
            world.expectations.missing().0 as f64,
            micros(posts.per_mille(500)),
            micros(posts.per_mille(990)),
            micros(deliveries.per_mille(500)),
            micros(deliveries.per_mille(990)),
        ]);
        Ok(())
    }

    /// Writes the samples as CSV, and the plot beside it.
    pub(super) fn write(&self, file: &Path, title: &str) -> anyhow::Result<()> {
        let mut csv = format!("{}\n", COLUMNS.join(","));
        for sample in &self.all {
            let values: Vec<_> = sample.iter().map(|value| format!("{value:.2}")).collect();
            writeln!(csv, "{}", values.join(","))?;
        }
        fs::write(file, csv).with_context(|| format!("cannot write {}", file.display()))?;
        let plot = file.with_extension("svg");
        fs::write(&plot, self.plot(title)).with_context(|| format!("cannot write {}", plot.display()))
    }

    fn plot(&self, title: &str) -> String {
        let series = |name, column: usize| Series {
            name,
            points: self.all.iter().map(|sample| (sample[0], sample[column])).collect(),
        };
        let panel = |title, is_logarithmic, series| Panel { title, is_logarithmic, series };
        let panels = [
            panel("Resident memory, MiB", false, vec![series("RSS", RSS)]),
            panel(
                "Descriptors and threads",
                false,
                vec![series("descriptors", DESCRIPTORS), series("threads", THREADS)],
            ),
            panel("Store on disk, MiB", false, vec![series("store", STORE)]),
            panel("Accepted messages per second", false, vec![series("messages/s", 5)]),
            panel("From request to response, µs", true, vec![series("p50", 7), series("p99", 8)]),
            panel("From request to a connected agent, µs", true, vec![series("p50", 9), series("p99", 10)]),
        ];
        svg(title, &panels)
    }

    /// Returns the report.
    ///
    /// # Errors
    /// If a figure has grown by more than its limit.
    pub(super) fn figures(&self, counts: &Counts) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        for (name, count) in [
            ("accepted", counts.accepted),
            ("refused_as_unsubscribed", counts.refused),
            ("delivered", counts.delivered),
            ("delivered_again_or_optional", counts.redelivered),
            ("receipts", counts.receipts),
            ("unsubscribed", counts.unsubscribed),
            ("sessions", counts.sessions),
        ] {
            figures.note(name, count as f64);
        }
        let end = self.all.last().map_or(0.0, |sample| sample[0]);
        let is_long = end >= WARM_UP_MINUTES + LEAST_MINUTES;
        let warm = |sample: &&Sample| !is_long || sample[0] >= WARM_UP_MINUTES;
        let mut grown = Vec::new();
        for (column, limit) in LIMITS {
            let values: Vec<_> =
                self.all.iter().filter(warm).map(|sample| (sample[0], sample[column])).collect();
            let Some(trend) = Trend::fit(&values) else { continue };
            let name = COLUMNS[column];
            figures.note(format!("{name}_mean"), trend.mean);
            figures.note(format!("{name}_growth"), trend.growth);
            if is_long && trend.exceeds(limit) {
                grown.push(format!("{name} grew by {:.1} on {:.1}", trend.growth, trend.mean));
            }
        }
        for (column, name) in COLUMNS.into_iter().enumerate().skip(7) {
            let mut values: Vec<_> = self.all.iter().filter(warm).map(|sample| sample[column]).collect();
            values.sort_by(f64::total_cmp);
            let median = values.get(values.len() / 2).copied().unwrap_or_default();
            figures.note(format!("{name}_median"), median);
        }
        ensure!(grown.is_empty(), "{}{}", figures.lines(), grown.join("\n"));
        Ok(figures)
    }
}

/// Returns the bytes that a directory takes on its volume.
///
/// Files that are removed meanwhile count as empty.
fn allocated_bytes(directory: &Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(directory).with_context(|| format!("{} is gone", directory.display()))? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => total += allocated_bytes(&entry.path()).unwrap_or_default(),
            Ok(metadata) => total += metadata.blocks() * 512,
            Err(_) => {}
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(leak: f64) -> Samples {
        let sample = |n: u32| {
            let mut sample = [1.0; COLUMN_COUNT];
            (sample[0], sample[RSS]) = (f64::from(n), 100.0 + leak * f64::from(n));
            sample
        };
        Samples { store: PathBuf::new(), all: (0..40).map(sample).collect(), accepted: 0 }
    }

    #[test]
    fn growth_after_the_warm_up_fails_a_long_run() {
        assert!(samples(0.0).figures(&Counts::default()).is_ok());
        assert!(samples(2.0).figures(&Counts::default()).is_err());
        let mut short = samples(2.0);
        short.all.truncate(5);
        assert!(short.figures(&Counts::default()).is_ok(), "a short run is decided by counts");
    }

    #[test]
    fn samples_are_written_as_table_and_plot() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("soak.csv");
        samples(0.0).write(&file, "a run").unwrap();
        let csv = fs::read_to_string(&file).unwrap();
        assert_eq!(csv.lines().count(), 41);
        assert!(csv.lines().all(|line| line.split(',').count() == COLUMN_COUNT));
        assert!(fs::read_to_string(file.with_extension("svg")).unwrap().starts_with("<svg"));
        assert!(allocated_bytes(directory.path()).unwrap() > 0);
    }
}
