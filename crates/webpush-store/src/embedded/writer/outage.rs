//! Outages: while the disk fails, the writer refuses all requests, and retries to open the store.

use super::{Step, Writer};
use crate::embedded::directory::{self, log_directory};
use crate::embedded::engine_error::EngineError;
use crate::embedded::entry_count_scan::EntryCountScan;
use crate::embedded::fix::fix;
use crate::embedded::group_commit_delay::GroupCommitDelay;
use crate::embedded::log::CommitLog;
use crate::embedded::open_engine::open_engine;
use crate::embedded::recovery::{Trust, recover};
use crate::embedded::shared::Shared;
use crate::embedded::watermark::{LastKnown, Watermark};
use std::sync::atomic::Ordering;
use std::time::Duration;
use webpush_core::env::MonotonicTime;

/// Delay before a failed engine is reopened: at first, and at most after many failures.
const REOPEN_DELAY: Duration = Duration::from_millis(250);
const REOPEN_DELAY_LIMIT: Duration = Duration::from_secs(5);

/// The current outage, and the number of earlier ones.
pub(super) struct Outages {
    /// When to reopen the engine; `None` while it is open.
    retry_at: Option<MonotonicTime>,
    /// Delay before the next attempt. Grows with failed attempts, and if the store soon fails again.
    delay: Duration,
    back_since: Option<MonotonicTime>,
    /// True if the files of the engine are to be checked before it is opened.
    is_damaged: bool,
    /// True if there was nothing to fix although a file could not be read.
    is_beyond_fixing: bool,
}

impl Default for Outages {
    fn default() -> Self {
        Self {
            retry_at: None,
            delay: REOPEN_DELAY,
            back_since: None,
            is_damaged: false,
            is_beyond_fixing: false,
        }
    }
}

impl Outages {
    pub(super) const fn is_down(&self) -> bool {
        self.retry_at.is_some()
    }

    pub(super) const fn retry_at(&self) -> Option<MonotonicTime> {
        self.retry_at
    }

    fn begin(&mut self, now: MonotonicTime) {
        if self.back_since.is_none_or(|since| now.since(since) > REOPEN_DELAY_LIMIT) {
            self.delay = REOPEN_DELAY;
        }
        self.wait(now);
    }

    fn wait(&mut self, now: MonotonicTime) {
        self.retry_at = Some(now.after(self.delay));
        self.delay = (self.delay * 2).min(REOPEN_DELAY_LIMIT);
    }

    /// Returns true if files that cannot be read are worth an outage.
    pub(super) const fn can_fix(&self) -> bool {
        !self.is_beyond_fixing
    }

    const fn end(&mut self, now: MonotonicTime) {
        (self.retry_at, self.back_since) = (None, Some(now));
    }
}

impl Writer {
    /// Closes the engine, after which all requests are refused.
    ///
    /// If `is_damaged`, its files are checked and fixed before it is opened again.
    pub(super) fn go_down(&mut self, now: MonotonicTime, is_damaged: bool) {
        self.outages.is_damaged = is_damaged;
        self.group_commit_delay = GroupCommitDelay::default();
        directory::distrust(&self.shared.options.disk, &self.shared.directory);
        self.shared.gauges.outages.add(1);
        self.entry_count_scan.stop();
        // Errors show when the engine is reopened.
        drop(self.end_flush());
        drop(self.set_engine(None));
        self.shared.memtables.reset(None);
        self.reserve.release();
        self.outages.begin(now);
    }

    /// Refuses a step, and reopens the store if it is time.
    pub(super) fn step_down(&mut self, step: Step, now: MonotonicTime) {
        if let Step::Commit(group) = step {
            self.shared.gauges.taken.add(group.len() as u64);
            self.refuse(group);
        }
        if self.outages.retry_at.is_some_and(|retry| now >= retry) {
            self.reopen_now(now);
        }
    }

    /// Reopens the store, or waits for the next attempt.
    pub(super) fn reopen_now(&mut self, now: MonotonicTime) {
        match self.reopen(now) {
            Ok(()) => self.outages.end(now),
            Err(error) => {
                let directory = self.shared.directory.display();
                tracing::warn!(%directory, %error, "storage still unavailable");
                self.outages.wait(now);
            }
        }
    }

    fn reopen(&mut self, now: MonotonicTime) -> Result<(), EngineError> {
        let Shared { directory, options, memtables, deadlines, mode, gauges, .. } = &*self.shared;
        let disk = &options.disk;
        // The engine would begin anew. A disk that fails says nothing about it.
        if disk.is_missing(&directory::engine_directory(directory))? {
            gauges.is_deleted.store(true, Ordering::Relaxed);
        }
        if gauges.is_deleted.load(Ordering::Relaxed) {
            return Err(EngineError::Deleted(directory.clone()));
        }
        directory::rewrite_journals(disk, directory)?;
        if std::mem::take(&mut self.outages.is_damaged) {
            self.outages.is_beyond_fixing = fix(disk, directory)? == 0;
        }
        let engine = open_engine(disk, directory, options.cache_bytes)?;
        // The failed group may be present or not; earlier ones must be.
        let last_known = LastKnown { watermark: self.synced, active: self.watermark.active() };
        let start = recover(&engine, disk, directory, last_known, Trust::Nothing, memtables.hasher())?;
        self.log = CommitLog::begin(disk, &options.env, &log_directory(directory), start.last.frame)?;
        // Assigned positions may be lost.
        self.position = start.last.position.max(self.position);
        (self.floor, self.is_floor_synced) = (self.position, false);
        let is_stored = self.group_frame.take().is_some_and(|frame| frame <= start.last.frame);
        self.appends.end_group(is_stored);
        self.shared.gauges.position.store(self.position.get(), Ordering::Release);
        self.marks = start.marks;
        (self.since, self.bytes) = (None, 0);
        self.synced = Watermark { position: self.position, ..start.last };
        self.watermark.set_active(Some(self.log.first()));
        self.watermark.write(self.synced, now);
        self.remove_segments(&start.not_needed);
        deadlines.reset();
        directory::trust(disk, directory)?;
        tracing::info!(directory = %directory.display(), "storage available again");
        self.entry_count_scan = EntryCountScan::begin(*mode, &self.shared.gauges, &engine, None)?;
        drop(self.set_engine(Some(engine)));
        // The failed commits may have been applied.
        self.shared.observers.missed();
        Ok(())
    }
}
