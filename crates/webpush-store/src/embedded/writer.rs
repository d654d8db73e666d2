//! The writer: applies waiting requests in order, writes them as one frame, and syncs once for all.
//!
//! A [`Writer`] has no thread, no queue and no sleep of its own. Call [`Writer::step`] with each job, or with
//! [`Step::Tick`] when the time that [`Writer::wake_at`] returned has come, until it breaks. `writer_thread` does that on a thread,
//! a simulation by hand; a [`super::shared_writer`] lets submitters step it too.

mod outage;

use super::applier::Applier;
use super::batch_markers::BatchMarkers;
use super::changes::Changes;
use super::directory::{self, log_directory};
use super::engine::Engine;
use super::engine_error::EngineError;
use super::entry_count_scan::EntryCountScan;
use super::flush::{Flush, FlushJob};
use super::group_commit_delay::GroupCommitDelay;
use super::log::CommitLog;
use super::memtable::{Rows, Tables};
use super::memtables::MemtableLayers;
use super::recent_appends::RecentAppends;
use super::recovery::Start;
use super::request::CommitRequest;
use super::reserve::Reserve;
use super::row_caches::RowChanges;
use super::shared::Shared;
use super::usage_audit::usage_adds_up;
use super::view::View;
use super::watermark::{Watermark, WatermarkFile};
use crate::disk::DiskFile;
use crate::threads::sync::atomic::Ordering;
use crate::threads::sync::mpsc::SyncSender;
use crate::threads::sync::{Arc, PoisonError};
use crate::{Applied, Durability, StoreError};
use outage::Outages;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;
use webpush_core::env::MonotonicTime;
use webpush_core::id::Position;
use webpush_core::time::Timestamp;

/// How long to wait for a flush that takes longer than a memtable lives, before checking again.
const FLUSH_POLL: Duration = Duration::from_millis(100);

/// One step of the writer.
pub(super) enum Step {
    /// Commits requests, as one group.
    Commit(Vec<CommitRequest>),
    /// Flushes everything to the engine, then drops the sender.
    Flush(SyncSender<()>),
    /// Does the work that is due.
    Tick,
    /// Closes the store, so that the next start needs no recovery.
    Close,
}

/// Result of applying one commit group.
struct AppliedGroup {
    answers: Vec<Result<Vec<Applied>, StoreError>>,
    changes: Tables,
    /// The highest position that was assigned in any inbox.
    position: Position,
    floor: Position,
    /// The earliest deadline that was added.
    earliest: Option<Timestamp>,
    /// The change in the number of entries.
    entries: i64,
    /// True if a record was restored.
    restores: bool,
    records_receipts: bool,
}

/// The writer's side of a store. Dropping it leaves the store as a crash would.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) log: CommitLog,
    /// The highest position that was assigned in any inbox; never below the floor.
    pub(super) position: Position,
    /// Positions are assigned above this one.
    pub(super) floor: Position,
    /// True if a frame with the floor, or with a higher position, is on disk.
    pub(super) is_floor_synced: bool,
    pub(super) appends: RecentAppends,
    /// The frame of the current group, until it is known to be on disk.
    pub(super) group_frame: Option<u64>,
    /// The last batch that the engine has, or will have when the flush has ended.
    pub(super) marks: BatchMarkers,
    flush: Option<Flush>,
    /// When the active memtable got its first row, if it has any; and its size in memory.
    pub(super) since: Option<MonotonicTime>,
    pub(super) bytes: usize,
    pub(super) synced: Watermark,
    pub(super) watermark: WatermarkFile,
    reserve: Reserve,
    outages: Outages,
    /// The failure of a commit on its submitter's thread, with which the next step begins.
    failure: Option<EngineError>,
    group_commit_delay: GroupCommitDelay,
    pub(super) entry_count_scan: EntryCountScan,
    /// The lock of the directory; released with the writer.
    _lock: DiskFile,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        start: Start,
        (mut watermark, reserve): (WatermarkFile, Reserve),
        appends: RecentAppends,
        lock: DiskFile,
    ) -> io::Result<Self> {
        let Shared { options, directory, .. } = &*shared;
        let log = CommitLog::begin(&options.disk, &options.env, &log_directory(directory), start.last.frame)?;
        watermark.set_active(Some(log.first()));
        let entry_count_scan = {
            let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
            let memtable = start.flush_job.as_ref().map(|flush_job| Arc::clone(&flush_job.memtable));
            let begin = |engine| EntryCountScan::begin(shared.mode, &shared.gauges, engine, memtable);
            engine.as_ref().map(begin).transpose()?.unwrap_or_default()
        };
        let now = options.env.monotonic();
        let mut writer = Self {
            shared,
            log,
            position: start.last.position,
            floor: start.last.position,
            is_floor_synced: start.last.position == Position::START,
            appends,
            group_frame: None,
            marks: start.marks,
            flush: None,
            since: None,
            bytes: 0,
            synced: start.last,
            watermark,
            reserve,
            outages: Outages::default(),
            failure: None,
            group_commit_delay: GroupCommitDelay::default(),
            entry_count_scan,
            _lock: lock,
        };
        writer.watermark.write(writer.synced, now);
        writer.remove_segments(&start.not_needed);
        writer.shared.gauges.position.store(writer.position.get(), Ordering::Release);
        if let Some(flush_job) = start.flush_job {
            writer.shared.memtables.reset(Some(Arc::clone(&flush_job.memtable)));
            writer.flush = Some(flush_job.start(Arc::clone(&writer.shared))?);
        }
        Ok(writer)
    }

    /// Does one step at `now`.
    ///
    /// After a failure the store is down, and steps are refused until it works again. Breaks when the store is closed.
    pub(super) fn step(&mut self, step: Step, now: MonotonicTime) -> ControlFlow<()> {
        if let Some(error) = self.failure.take() {
            self.fail(&error, now);
        }
        if matches!(step, Step::Close) {
            self.end();
            return ControlFlow::Break(());
        }
        if self.outages.is_down() {
            self.step_down(step, now);
            return ControlFlow::Continue(());
        }
        let done = match step {
            Step::Commit(mut group) => {
                let committed = self.rotate_if_due(now).and_then(|()| self.commit(&mut group, now));
                self.refuse(group);
                committed
            }
            Step::Flush(asked) => {
                let rotated = if self.log.is_empty() { Ok(()) } else { self.rotate(now) };
                let flushed = rotated.and_then(|()| self.end_flush());
                drop(asked);
                flushed
            }
            Step::Tick | Step::Close => self.rotate_if_due(now),
        };
        if let Err(error) = done {
            self.fail(&error, now);
        } else if self.outages.can_fix() && self.is_unreadable() {
            let directory = self.shared.directory.display();
            tracing::error!(%directory, "storage unavailable: a file cannot be read; fixing it");
            self.go_down(now, true);
            self.reopen_now(now);
        }
        ControlFlow::Continue(())
    }

    /// Commits one request on the thread of its submitter.
    ///
    /// If that fails, the next step closes the engine, on the writer's thread: it can take long.
    pub(super) fn commit_alone(&mut self, request: CommitRequest, now: MonotonicTime) {
        let mut group = vec![request];
        self.failure = self.commit(&mut group, now).err();
        self.refuse(group);
    }

    fn fail(&mut self, error: &EngineError, now: MonotonicTime) {
        let directory = self.shared.directory.display();
        tracing::error!(%directory, %error, "storage unavailable: a write failed; retrying");
        let is_deleted = matches!(error, EngineError::Deleted(_));
        self.shared.gauges.is_deleted.fetch_or(is_deleted, Ordering::Relaxed);
        // fjall does not say why work in the background has failed: a damaged table is one cause.
        let is_damaged = error.is_damage() || matches!(error, EngineError::Poisoned);
        self.go_down(now, is_damaged);
    }

    /// Returns true if a file of the engine could not be read.
    fn is_unreadable(&self) -> bool {
        let engine = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().is_some_and(|engine| engine.damage().is_unreadable())
    }

    /// Answers requests that failed, or that came while the store is down.
    fn refuse(&self, group: Vec<CommitRequest>) {
        if !group.is_empty() {
            self.shared.observers.failed();
        }
        for request in group {
            request.finish(Err(StoreError::Unavailable));
        }
    }

    /// Returns when [`Step::Tick`] is due if nothing else is done before; `None` if never.
    pub(super) fn wake_at(&self, now: MonotonicTime) -> Option<MonotonicTime> {
        if self.failure.is_some() {
            return Some(now);
        }
        if let Some(retry) = self.outages.retry_at() {
            return Some(retry);
        }
        let old = self.since.map(|since| since.after(self.shared.options.memtable.age));
        // The result of a flush must be noticed even if no request follows.
        let poll = self.flush.is_some().then(|| now.after(FLUSH_POLL));
        match (old, poll) {
            (Some(old), Some(poll)) => Some(old.max(poll)),
            (old, poll) => old.or(poll),
        }
    }

    /// Returns true if a small commit would not take long.
    ///
    /// No other commit is expected to share its sync, and no other work is due.
    pub(super) fn is_quick(&self, now: MonotonicTime, sync_limit: Duration) -> bool {
        let must_end_flush = self.flush.as_ref().is_some_and(Flush::is_finished);
        let is_work_due = must_end_flush || self.is_rotation_due(now) || self.is_unreadable();
        let is_down = self.failure.is_some() || self.outages.is_down();
        self.group_commit_delay.is_quick(sync_limit) && !is_work_due && !is_down
    }

    /// Returns how long to pause before the next group is gathered.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.group_commit_delay.pause()
    }

    /// Returns the current time.
    pub(super) fn now(&self) -> MonotonicTime {
        self.shared.options.env.monotonic()
    }

    /// Runs the tasks that wait for a simulation to run them.
    pub(super) fn run_tasks(&mut self) {
        self.flush = self.flush.take().map(Flush::run);
        self.entry_count_scan.run();
    }

    /// Applies the requests of a group, writes their changes, and answers.
    ///
    /// Requests that are left in the group have failed, and their outcome is unknown. The caller refuses them.
    fn commit(&mut self, group: &mut Vec<CommitRequest>, now: MonotonicTime) -> Result<(), EngineError> {
        self.shared.gauges.taken.add(group.len() as u64);
        let Some(applied) = self.apply(group, now) else { return Ok(()) };
        let durable = group.iter().any(|request| request.durability == Durability::Durable);
        // The positions of a lazy commit may be lost and must not be assigned again. The floor sees to that once it
        // is on disk, with the first frame after it was raised.
        let durable = durable || !self.is_floor_synced && applied.position > self.position;
        // Or the sender could have a receipt for a message that is there again after a power cut.
        let durable = durable || applied.records_receipts;
        let (sync, now) = self.write(applied.position, (applied.changes, applied.restores), durable, now)?;
        self.floor = applied.floor;
        self.appends.end_group(true);
        self.group_frame = None;
        self.group_commit_delay.note(group.len(), durable.then_some(sync));
        let gauges = &self.shared.gauges;
        gauges.entries.fetch_add(applied.entries, Ordering::Relaxed);
        gauges.note_group(group, durable.then_some(sync), now);
        gauges.note_sizes(self.log.bytes(), self.bytes);
        if let Some(earliest) = applied.earliest {
            self.shared.deadlines.added(earliest);
        }
        for (request, answer) in group.drain(..).zip(applied.answers) {
            match &answer {
                Ok(applied) => self.shared.observers.committed(request.handle, applied, request.durability),
                // Only refused: the store works.
                Err(StoreError::Full) => {}
                Err(_) => self.shared.observers.failed(),
            }
            request.finish(answer);
        }
        Ok(())
    }

    /// Determines the changes of a group, without making them yet.
    fn apply(&mut self, group: &mut [CommitRequest], now: MonotonicTime) -> Option<AppliedGroup> {
        let is_full = self.reserve.is_short(now, self.bytes);
        let engine = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let layers = MemtableLayers { memtables: self.shared.memtables.read(), engine: engine.as_ref()? };
        let mut applier = Applier {
            changes: Changes::new(layers),
            quota: self.shared.options.quota,
            rows: &self.shared.rows,
            appends: &mut self.appends,
            floor: self.floor,
            is_full,
            inbox_bytes: self.reserve.inbox_bytes(),
            highest: self.position,
            earliest: None,
            receipts_dropped: 0,
            entries: 0,
            restores: false,
            records_receipts: false,
            recounts: false,
        };
        let apply = |request: &mut CommitRequest| applier.apply_request(std::mem::take(&mut request.ops));
        let answers = group.iter_mut().map(apply).collect();
        debug_assert!(
            applier.recounts || usage_adds_up(&applier.changes),
            "a usage row is not the sum of its inbox"
        );
        let Applier {
            changes, highest: position, floor, earliest, entries, restores, records_receipts, ..
        } = applier;
        let changes = changes.into_tables();
        Some(AppliedGroup {
            answers,
            changes,
            position,
            floor,
            earliest,
            entries,
            restores,
            records_receipts,
        })
    }

    /// Writes changes to the log, syncs it if they are `durable`, then adds them to the memtables.
    ///
    /// They are read from there, so no reader sees changes whose write or sync failed. Returns how long the sync took, zero without one, and the time after it.
    fn write(
        &mut self,
        position: Position,
        (changes, restores): (Tables, bool),
        durable: bool,
        mut now: MonotonicTime,
    ) -> Result<(Duration, MonotonicTime), EngineError> {
        let is_change = changes.iter().any(|rows| !rows.is_empty()) || position > self.position;
        if is_change {
            let before = self.log.bytes();
            self.group_frame = Some(self.log.frame() + 1);
            self.log.append(position, &changes)?;
            self.shared.gauges.log_written.add(self.log.bytes() - before);
            self.position = position;
            self.shared.gauges.position.store(position.get(), Ordering::Release);
        }
        let mut sync = Duration::ZERO;
        if durable {
            let begun = self.now();
            self.log.sync()?;
            if self.log.is_deleted()? {
                return Err(EngineError::Deleted(self.log.path().to_owned()));
            }
            now = self.now();
            sync = now.since(begun);
            self.is_floor_synced |= is_change;
            self.synced = Watermark { frame: self.log.frame(), position: self.position };
            self.watermark.note(self.synced, now);
        }
        if is_change {
            let rows = RowChanges::from(&changes);
            self.bytes = self.shared.memtables.add(changes, restores, &self.shared.rows.usages);
            self.since.get_or_insert(now);
            self.shared.rows.apply(rows);
        }
        Ok((sync, now))
    }

    /// Rotates if the active memtable is old or large.
    ///
    /// At most one flush is in progress: if the active memtable is too large before that one ends, commits wait.
    fn rotate_if_due(&mut self, now: MonotonicTime) -> Result<(), EngineError> {
        if self.flush.as_ref().is_some_and(Flush::is_finished) {
            self.end_flush()?;
        }
        if self.is_rotation_due(now) { self.rotate(now) } else { Ok(()) }
    }

    fn is_rotation_due(&self, now: MonotonicTime) -> bool {
        let bounds = self.shared.options.memtable;
        let Some(since) = self.since else { return false };
        let most = self.reserve.memtable_bytes().min(bounds.bytes);
        let is_large = self.bytes >= most || self.log.bytes() >= bounds.log_bytes;
        is_large || self.flush.is_none() && now.since(since) >= bounds.age
    }

    /// Starts a segment and a memtable, and flushes those before them.
    fn rotate(&mut self, now: MonotonicTime) -> Result<(), EngineError> {
        self.end_flush()?;
        let segment = self.log.rotate()?;
        self.watermark.set_active(Some(self.log.first()));
        let flush_job = self.begin_flush(segment, now, BatchMarkers::mark);
        self.flush = Some(flush_job.start(Arc::clone(&self.shared))?);
        Ok(())
    }

    /// Removes segments that were not needed at the start. Any that remain are not read again.
    pub(super) fn remove_segments(&self, segments: &[PathBuf]) {
        // One of them can have the name of the active segment, which has replaced it.
        for segment in segments.iter().filter(|segment| *segment != self.log.path()) {
            if let Err(error) = self.shared.options.disk.remove(segment) {
                tracing::warn!(segment = %segment.display(), %error, "cannot remove a segment of the log");
            }
        }
    }

    /// Takes the active memtable for a flush. Its segment is synced.
    ///
    /// The flush may skip usage rows of which only the last position has changed, so positions are assigned above all
    /// earlier ones from now on.
    pub(super) fn begin_flush(
        &mut self,
        segment: PathBuf,
        now: MonotonicTime,
        mark: impl FnOnce(BatchMarkers, Watermark, &mut Rows) -> BatchMarkers,
    ) -> FlushJob {
        self.synced = Watermark { frame: self.log.frame(), position: self.position };
        self.watermark.write(self.synced, now);
        let mut marks = Rows::new();
        self.marks = mark(self.marks, self.synced, &mut marks);
        (self.since, self.bytes) = (None, 0);
        self.floor = self.position;
        self.shared.gauges.flushes.add(1);
        FlushJob { memtable: self.shared.memtables.rotate(), marks, segments: vec![segment] }
    }

    /// Waits for the flush in progress, if there is one.
    pub(super) fn end_flush(&mut self) -> Result<(), EngineError> {
        match self.flush.take() {
            Some(flush) => flush.join().unwrap_or(Err(EngineError::FlushPanicked)),
            None => Ok(()),
        }
    }

    /// Closes the store, so that the next start needs no recovery and does not doubt its last batches.
    fn end(&mut self) {
        self.entry_count_scan.stop();
        let flushed = self.end_flush();
        let Some(engine) = self.set_engine(None) else { return };
        // If the engine fails, the log has everything.
        let synced = self.log.sync().map_err(EngineError::from);
        let ended = flushed.and(synced).and_then(|()| {
            let segment = self.log.path().to_owned();
            let now = self.now();
            self.watermark.set_active(None);
            let flush_job = self.begin_flush(segment, now, BatchMarkers::mark_anew);
            // Or after a power cut a segment would be missed that is removed now.
            self.watermark.sync()?;
            flush_job.complete(&engine, &self.shared.options.disk)
        });
        if let Err(error) = ended {
            directory::distrust(&self.shared.options.disk, &self.shared.directory);
            let directory = self.shared.directory.display();
            tracing::error!(%directory, %error, "the store could not be closed cleanly");
        }
    }

    pub(super) fn set_engine(&self, engine: Option<Engine>) -> Option<Engine> {
        let mut present = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Nobody is reading now, and the next engine may hold other rows.
        self.shared.rows.clear();
        self.shared.snapshots.end();
        std::mem::replace(&mut *present, engine)
    }
}
