//! Metrics of a store, as plain numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a store is, and what it has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// True while the store can be read and written, as far as is known.
    pub is_up: bool,
    /// How often it went down, because something could not be written.
    pub outages: u64,
    /// Requests that wait to be taken up.
    pub waiting: u64,
    /// Durable commits, in microseconds from their submission until they were on disk.
    pub commits: Distribution,
    /// Syncs, in microseconds.
    pub syncs: Distribution,
    /// Groups of requests that shared a frame of the log and a sync, in requests.
    pub groups: Distribution,
    /// Bytes of the segment of the log that is written.
    pub log_bytes: u64,
    /// Bytes written to the log.
    pub log_written_bytes: u64,
    /// Approximate memory in bytes of rows that the engine does not have yet.
    ///
    /// Rows on their way to it are not included.
    pub generation_bytes: u64,
    /// How often such rows went to the engine.
    pub flushes: u64,
    /// Stored messages and receipts.
    ///
    /// `None` until they are counted, which begins when the store is opened.
    pub entries: Option<u64>,
    /// Damaged records that were met and left out.
    pub damaged_records: u64,
    /// Committed batches that the disk was found to have lost when the store was opened.
    pub batches_lost: u64,
}

/// How often something was how large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// The largest values of all buckets but the last.
    pub bounds: &'static [u64],
    /// How many values are in each bucket; one more than there are bounds.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

/// A [`Distribution`] in the making.
///
/// To note a value takes two additions that no other thread waits for.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Creates an empty histogram.
    ///
    /// `bounds` are the largest values of its buckets, the smallest first. One more bucket has what is larger.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Notes a value.
    pub fn note(&self, value: u64) {
        let bucket = self.bounds.iter().take_while(|bound| **bound < value).count();
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Returns the values noted so far.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { bounds: self.bounds, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_where_it_belongs() {
        let histogram = Histogram::new(&[1, 10]);
        [0, 1, 2, 10, 11, 1000].into_iter().for_each(|value| histogram.note(value));
        let Distribution { counts, sum, .. } = histogram.distribution();
        assert_eq!((counts, sum), (vec![2, 2, 2], 1024));
    }
}
