//! Metrics of a store, as plain numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// The state of a store, and its activity since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// True while the store can be read and written, as far as is known.
    pub is_up: bool,
    /// True while new messages are refused because the volume is almost full.
    pub is_full: bool,
    /// Number of outages, each caused by a failed write.
    pub outages: u64,
    /// Requests in the queue.
    pub waiting: u64,
    /// Latency of durable commits from submission to disk, in microseconds.
    pub commits: Distribution,
    /// Latency of syncs, in microseconds.
    pub syncs: Distribution,
    /// Sizes of commit groups, in requests.
    pub groups: Distribution,
    /// Bytes of the active segment of the log.
    pub log_bytes: u64,
    /// Bytes written to the log.
    pub log_written_bytes: u64,
    /// Approximate memory of rows that are not flushed yet, in bytes.
    ///
    /// Rows whose flush has started are not included.
    pub memtable_bytes: u64,
    /// Number of flushes.
    pub flushes: u64,
    /// Stored messages and receipts.
    ///
    /// `None` until the count that starts when the store is opened has ended.
    pub entries: Option<u64>,
    /// Damaged records that were skipped.
    pub damaged_records: u64,
    /// Ranges of keys in which records may be lost. Zero while the store is down.
    ///
    /// Looking up a record that is not found there fails, until the store is repaired.
    pub holes: u64,
    /// Committed batches found missing from the disk when the store was opened.
    pub batches_lost: u64,
    /// Of a store that several nodes share.
    pub cluster: Option<ClusterStatistics>,
}

/// A cluster, as one of its nodes sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterStatistics {
    /// Nodes that are alive, with this one.
    pub nodes: u64,
    /// True if this node runs the sweep and the removal of idle inboxes.
    pub leads: bool,
    /// How often the connection on which this node listens for notices was opened.
    pub listens: u64,
    /// How often this node dropped notices because it could not send them.
    pub gaps: u64,
    /// Notices that wait to be sent.
    pub waiting_notices: u64,
    /// Other live nodes with other settings.
    pub differing_nodes: u64,
    /// Connected standbys that commits wait for; `None` if the user of the database may not see it.
    pub standbys: Option<u64>,
    /// Time from a commit until its notice was sent, in microseconds.
    pub notices: Distribution,
    /// The cells, the first one first.
    pub cells: Vec<CellStatistics>,
}

/// One database of a service with several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellStatistics {
    /// Its name.
    pub name: String,
    /// True while it can be read and written, as far as is known.
    pub is_up: bool,
    /// True if new inboxes are created in it.
    pub is_open: bool,
    /// Number of outages.
    pub outages: u64,
    /// Requests in the queue.
    pub waiting: u64,
    /// Latency of durable commits, in microseconds.
    pub commits: Distribution,
    /// Sizes of commit groups, in requests.
    pub groups: Distribution,
}

impl Statistics {
    /// Returns true if records are damaged, or may be lost.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.holes > 0 || self.damaged_records > 0 || self.batches_lost > 0
    }
}

/// A histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// The upper bounds of all buckets but the last.
    pub bounds: &'static [u64],
    /// The number of values in each bucket, of which there is one more than bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

/// Collects a [`Distribution`].
///
/// Recording a value takes two additions, without contention.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Creates an empty histogram.
    ///
    /// `bounds` are the upper bounds of its buckets in ascending order. One more bucket has larger values.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Records a value.
    pub fn note(&self, value: u64) {
        let bucket = self.bounds.iter().take_while(|bound| **bound < value).count();
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Returns the values recorded so far.
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
