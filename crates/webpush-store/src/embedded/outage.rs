//! What the writer does when the disk fails: it refuses everything, and opens the store anew until that works.

use super::engine::Engine;
use super::entry_count_scan::EntryCountScan;
use super::folder::{self, log_folder};
use super::log::Log;
use super::recovery::{Trust, recover};
use super::request::Job;
use super::shared::Shared;
use super::watermark::Watermark;
use super::writer::Writer;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How long to wait before a failed engine is opened again, and how long at most after many failures.
const REOPEN_DELAY: Duration = Duration::from_millis(250);
const REOPEN_DELAY_LIMIT: Duration = Duration::from_secs(5);

/// How it went before.
pub(super) struct Outages {
    /// How long to wait before the engine is opened again; grows while it fails, also when it fails soon again.
    delay: Duration,
    back_since: Option<Instant>,
}

impl Default for Outages {
    fn default() -> Self {
        Self { delay: REOPEN_DELAY, back_since: None }
    }
}

impl Writer {
    pub(super) fn go_down(&mut self) {
        folder::distrust(&self.shared.folder);
        self.shared.gauges.outages.add(1);
        self.entry_count_scan.stop();
        // Whether it has worked is seen when the engine is opened again.
        drop(self.end_flush());
        drop(self.set_engine(None));
        self.shared.memtables.rotate_with(None);
    }

    /// Tries to open the engine again until that works; true when the store was closed meanwhile.
    pub(super) fn refuse_until_reopened(&mut self) -> bool {
        if self.outages.back_since.is_none_or(|since| since.elapsed() > REOPEN_DELAY_LIMIT) {
            self.outages.delay = REOPEN_DELAY;
        }
        loop {
            if self.refuse_for(self.outages.delay) {
                return true;
            }
            self.outages.delay = (self.outages.delay * 2).min(REOPEN_DELAY_LIMIT);
            match self.reopen() {
                Ok(()) => break,
                Err(error) => {
                    let folder = self.shared.folder.display();
                    tracing::warn!(%folder, error, "the store is still down");
                }
            }
        }
        self.outages.back_since = Some(Instant::now());
        false
    }

    /// Answers everything with [`StoreError::Unavailable`] for a while; true when the store was closed.
    fn refuse_for(&self, delay: Duration) -> bool {
        let end = Instant::now() + delay;
        loop {
            match self.jobs.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Job::Commit(_)) => self.shared.gauges.taken.add(1),
                Ok(Job::Flush(_) | Job::Look) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        let Shared { folder, options, deadlines, .. } = &*self.shared;
        folder::rewrite_journals(folder).map_err(|error| error.to_string())?;
        let engine = Engine::open(&folder::engine_folder(folder), options.cache_bytes)
            .map_err(|error| error.to_string())?;
        // The group that failed may be there or not; the ones before it must be.
        let synced = Some(self.synced);
        let start = recover(&engine, folder, synced, Trust::Nothing).map_err(|error| error.to_string())?;
        self.log = Log::begin(&log_folder(folder), start.last.frame).map_err(|error| error.to_string())?;
        // Positions that were handed out may have got nowhere.
        self.position = start.last.position.max(self.position);
        self.shared.gauges.position.store(self.position.get(), Ordering::Release);
        self.marks = start.marks;
        (self.since, self.bytes) = (None, 0);
        self.synced = Watermark { position: self.position, ..start.last };
        self.watermark.write(self.synced);
        deadlines.reset();
        folder::trust(folder).map_err(|error| error.to_string())?;
        tracing::info!(folder = %folder.display(), "the store is back");
        self.entry_count_scan =
            EntryCountScan::begin(&self.shared.gauges, &engine, None).map_err(|error| error.to_string())?;
        drop(self.set_engine(Some(engine)));
        Ok(())
    }
}
