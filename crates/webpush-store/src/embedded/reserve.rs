//! Room on the volume for everything that must go on when it is full.
//!
//! Half of the reserve is kept free: with less, new messages are refused, while acknowledgements, removals, flushes and
//! compactions still work with it. If other programs take that as well, a write fails. Then the other half, a file, is
//! removed. There is room in it for all rows that are not flushed yet, so that the store can be opened again.
//!
//! An inbox may hold a part of the room that is left. So a few inboxes cannot take all of it, however large their quota is:
//! the less there is, the smaller is the largest inbox that still grows.

use super::gauges::Gauges;
use super::options::Options;
use crate::disk::Disk;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use webpush_core::env::MonotonicTime;

const FILE_NAME: &str = "reserve";
/// How long the measured room counts as known.
///
/// Or until this part of the half that is kept free was written to the log.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
const CHECK_PART: u64 = 16;
/// The reserve is at most this part of the volume.
const VOLUME_PART: u64 = 4;
/// The room of an inbox is never less.
const LEAST_INBOX_BYTES: u64 = 1024 * 1024;
/// Memtables that may wait after a failure: the active one and the one that was being flushed.
const MEMTABLES: u64 = 2;
/// Copies of unflushed rows that the engine writes: to its journal, and to a table.
const COPIES: u64 = 2;

/// The reserve of a store.
pub(super) struct Reserve {
    disk: Disk,
    directory: PathBuf,
    gauges: Arc<Gauges>,
    /// The size of the reserve, if the volume is not small.
    bytes: u64,
    /// The size of one half of it.
    half: u64,
    /// The time of the last check, and the bytes that had been written to the log.
    checked: Option<(MonotonicTime, u64)>,
    /// True if the file is there.
    is_held: bool,
    /// An inbox may hold one part in this many of the room; 0 for no limit.
    inbox_part: u64,
    /// The most that an inbox may hold.
    inbox_bytes: u64,
}

impl Reserve {
    /// Gives up the reserve file of the last process if there is no room to start.
    pub(super) fn open(disk: &Disk, directory: &Path, options: &Options, gauges: &Arc<Gauges>) -> Self {
        let (disk, directory, gauges) = (disk.clone(), directory.to_owned(), Arc::clone(gauges));
        let is_held = disk.exists(&directory.join(FILE_NAME));
        let Options { reserve_bytes: bytes, inbox_room_part: inbox_part, .. } = *options;
        let (half, checked, inbox_bytes) = (bytes / 2, None, u64::MAX);
        let mut reserve =
            Self { disk, directory, gauges, bytes, half, checked, is_held, inbox_part, inbox_bytes };
        if reserve.measure().is_some_and(|available| available < reserve.half) {
            reserve.release();
        }
        reserve
    }

    /// Returns true if new messages must be refused.
    ///
    /// The rows that are not flushed yet need room as well.
    pub(super) fn is_short(&mut self, now: MonotonicTime, unflushed: usize) -> bool {
        let written = self.gauges.log_written.get();
        let is_known = self.checked.is_some_and(|(at, before)| {
            now.since(at) < CHECK_INTERVAL && written - before < self.half / CHECK_PART
        });
        if self.bytes > 0 && !is_known {
            self.checked = Some((now, written));
            self.check(COPIES.saturating_mul(unflushed as u64));
        }
        self.gauges.is_full.load(Ordering::Relaxed)
    }

    /// Returns the most that an inbox may hold, as of the last check.
    pub(super) const fn inbox_bytes(&self) -> u64 {
        self.inbox_bytes
    }

    fn check(&mut self, unflushed: u64) {
        let Some(free_bytes) = self.measure() else { return };
        let wanted = self.half.saturating_add(unflushed);
        if let Some(part) = free_bytes.saturating_sub(wanted).checked_div(self.inbox_part) {
            self.inbox_bytes = part.max(LEAST_INBOX_BYTES);
        }
        let is_full = free_bytes < wanted;
        let was_full = self.gauges.is_full.swap(is_full, Ordering::Relaxed);
        let directory = self.directory.display();
        match (was_full, is_full) {
            (false, true) => tracing::warn!(
                %directory,
                free_bytes,
                "the volume is almost full: new messages, agents and subscriptions are refused until there is room"
            ),
            (true, false) => tracing::info!(%directory, free_bytes, "there is room again on the volume"),
            _ => {}
        }
        if !self.is_held && free_bytes >= wanted.saturating_add(self.half) {
            self.is_held = self.disk.allocate(&self.directory.join(FILE_NAME), self.half).is_ok();
        }
    }

    /// Returns the room on the volume, if it is known.
    fn measure(&mut self) -> Option<u64> {
        let space = self.disk.space(&self.directory)?;
        self.half = self.bytes.min(space.total / VOLUME_PART) / 2;
        Some(space.available)
    }

    /// Returns how large a memtable may be, so that it can be flushed into the room of the reserve file.
    pub(super) fn memtable_bytes(&self) -> usize {
        let part = usize::try_from(self.half / MEMTABLES).unwrap_or(usize::MAX);
        if self.bytes == 0 { usize::MAX } else { part }
    }

    /// Removes the reserve file, after a write has failed. It is created again when there is room.
    pub(super) fn release(&mut self) {
        self.checked = None;
        if std::mem::take(&mut self.is_held)
            && let Err(error) = self.disk.remove(&self.directory.join(FILE_NAME))
        {
            tracing::warn!(directory = %self.directory.display(), %error, "cannot remove the reserve file");
        }
    }
}
