//! The one thread that commits: what waits is applied in order, written as one frame, and synced once for all.

use super::apply::Applier;
use super::batch_markers::BatchMarkers;
use super::changes::Changes;
use super::engine::Engine;
use super::engine_error::EngineError;
use super::entry_count_scan::EntryCountScan;
use super::flush::{Flush, FlushJob};
use super::folder::{self, log_folder};
use super::group_commit_delay::GroupCommitDelay;
use super::log::Log;
use super::memtable::{Rows, Tables};
use super::memtables::Layers;
use super::outage::Outages;
use super::recent_rows::RowChanges;
use super::recovery::Start;
use super::request::{Job, Request};
use super::shared::Shared;
use super::watermark::{Watermark, WatermarkFile};
use crate::{Applied, Durability, StoreError};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use webpush_core::id::Position;
use webpush_core::time::Timestamp;

/// Operations that share a batch; one request may exceed it.
const GROUP_OPS: usize = 1024;
/// How long to wait for a flush that takes longer than a memtable lives, before looking again.
const FLUSH_POLL: Duration = Duration::from_millis(100);

/// What a group of requests comes to.
struct AppliedGroup {
    answers: Vec<Result<Vec<Applied>, StoreError>>,
    changes: Tables,
    /// The last position that was assigned.
    position: Position,
    /// The earliest deadline that was added.
    earliest: Option<Timestamp>,
    /// How many entries there are more than before.
    entries: i64,
    /// Whether anything was put back.
    restores: bool,
}

/// The writer's side of a store.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Receiver<Job>,
    pub(super) log: Log,
    /// The last position that was assigned.
    pub(super) position: Position,
    /// What the engine has, or will have when the flush is over.
    pub(super) marks: BatchMarkers,
    flush: Option<Flush>,
    /// When the present memtable began, if it has anything; and how large it is in memory.
    pub(super) since: Option<Instant>,
    pub(super) bytes: usize,
    pub(super) synced: Watermark,
    pub(super) watermark: WatermarkFile,
    pub(super) outages: Outages,
    group_commit_delay: GroupCommitDelay,
    pub(super) entry_count_scan: EntryCountScan,
    /// Released when the thread ends.
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        jobs: Receiver<Job>,
        start: Start,
        watermark: WatermarkFile,
        lock: File,
    ) -> io::Result<Self> {
        let log = Log::begin(&log_folder(&shared.folder), start.last.frame)?;
        let entry_count_scan = {
            let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
            let memtable = start.flush_job.as_ref().map(|flush_job| Arc::clone(&flush_job.memtable));
            let begin = |engine| EntryCountScan::begin(&shared.gauges, engine, memtable);
            engine.as_ref().map(begin).transpose()?.unwrap_or_default()
        };
        let mut writer = Self {
            shared,
            jobs,
            log,
            position: start.last.position,
            marks: start.marks,
            flush: None,
            since: None,
            bytes: 0,
            synced: start.last,
            watermark,
            outages: Outages::default(),
            group_commit_delay: GroupCommitDelay::default(),
            entry_count_scan,
            _lock: lock,
        };
        writer.watermark.write(writer.synced);
        writer.shared.gauges.position.store(writer.position.get(), Ordering::Release);
        if let Some(flush_job) = start.flush_job {
            writer.shared.memtables.rotate_with(Some(Arc::clone(&flush_job.memtable)));
            writer.flush = Some(flush_job.start(Arc::clone(&writer.shared))?);
        }
        Ok(writer)
    }

    pub(super) fn run(mut self) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.wait()) {
            let worked = match job {
                Job::Commit(first) => {
                    if let Some(rest) = self.group_commit_delay.rest() {
                        thread::sleep(rest);
                    }
                    let group;
                    (group, next) = self.gather(first);
                    self.turn_if_due().and_then(|()| self.commit(group))
                }
                Job::Flush(asked) => {
                    let turned = if self.log.is_empty() { Ok(()) } else { self.turn() };
                    let flushed = turned.and_then(|()| self.end_flush());
                    drop(asked);
                    flushed
                }
                Job::Look => self.turn_if_due(),
                Job::Close => break,
            };
            if let Err(error) = worked {
                tracing::error!(
                    folder = %self.shared.folder.display(),
                    %error,
                    "the store can't be written and is down until it can"
                );
                self.go_down();
                if !matches!(next, Some(Job::Close)) && self.refuse_until_reopened() {
                    return;
                }
            }
        }
        self.end();
    }

    /// Waits for a job, or until the present memtable is old.
    fn wait(&self) -> Option<Job> {
        let age = self.shared.options.memtable.age;
        let patience = match (self.since, self.flush.is_some()) {
            (None, false) => return self.jobs.recv().ok(),
            // Whether it has worked must be seen also when nothing more comes.
            (None, true) => FLUSH_POLL,
            (Some(since), false) => age.saturating_sub(since.elapsed()),
            (Some(since), true) => age.saturating_sub(since.elapsed()).max(FLUSH_POLL),
        };
        match self.jobs.recv_timeout(patience) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => Some(Job::Look),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Takes what waits already, up to a bound; and what comes after that, if it is not a commit.
    fn gather(&self, first: Request) -> (Vec<Request>, Option<Job>) {
        let mut count = first.ops.len();
        let mut group = vec![first];
        while count < GROUP_OPS {
            match self.jobs.try_recv() {
                Ok(Job::Commit(request)) => {
                    count += request.ops.len();
                    group.push(request);
                }
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Applies, writes and answers. After an error all of the group were told that their outcome is not known.
    fn commit(&mut self, mut group: Vec<Request>) -> Result<(), EngineError> {
        self.shared.gauges.taken.add(group.len() as u64);
        let Some(applied) = self.apply(&mut group) else { return Ok(()) };
        let durable = group.iter().any(|request| request.durability == Durability::Durable);
        let sync = self.write(applied.position, (applied.changes, applied.restores), durable)?;
        self.group_commit_delay.note(group.len(), sync);
        let gauges = &self.shared.gauges;
        gauges.entries.fetch_add(applied.entries, Ordering::Relaxed);
        gauges.note_group(&group, durable.then_some(sync));
        gauges.note_sizes(self.log.bytes(), self.bytes);
        if let Some(earliest) = applied.earliest {
            self.shared.deadlines.added(earliest);
        }
        for (request, answer) in group.into_iter().zip(applied.answers) {
            request.finish(answer);
        }
        Ok(())
    }

    /// Finds out what a group changes. Nothing is changed yet.
    fn apply(&self, group: &mut [Request]) -> Option<AppliedGroup> {
        let engine = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let layers = Layers { memtables: self.shared.memtables.read(), engine: engine.as_ref()? };
        let mut applier = Applier {
            changes: Changes::new(layers),
            quota: self.shared.options.quota,
            recent: &self.shared.recent,
            position: self.position,
            earliest: None,
            receipts_dropped: 0,
            entries: 0,
            restores: false,
        };
        let apply = |request: &mut Request| applier.apply_request(std::mem::take(&mut request.ops));
        let answers = group.iter_mut().map(apply).collect();
        let Applier { changes, position, earliest, entries, restores, .. } = applier;
        let changes = changes.into_tables();
        Some(AppliedGroup { answers, changes, position, earliest, entries, restores })
    }

    /// Writes changes to the log, where they are durable, and then to the memtables, where they are read. Tells how long the
    /// sync took.
    fn write(
        &mut self,
        position: Position,
        (changes, restores): (Tables, bool),
        durable: bool,
    ) -> Result<Duration, EngineError> {
        let is_change = changes.iter().any(|rows| !rows.is_empty()) || position > self.position;
        if is_change {
            let before = self.log.bytes();
            self.log.append(position, &changes)?;
            self.shared.gauges.log_written.add(self.log.bytes() - before);
            self.position = position;
            self.shared.gauges.position.store(position.get(), Ordering::Release);
        }
        let mut sync = Duration::ZERO;
        if durable {
            let begun = Instant::now();
            self.log.sync()?;
            sync = begun.elapsed();
            self.synced = Watermark { frame: self.log.frame(), position: self.position };
            self.watermark.note(self.synced);
        }
        if is_change {
            let news = RowChanges::of(&changes);
            self.bytes = self.shared.memtables.add(changes, restores);
            self.since.get_or_insert_with(Instant::now);
            self.shared.recent.hear(news);
        }
        Ok(sync)
    }

    /// Sends the present memtable to the engine when it is old or large. At most one is on its way: if this one is
    /// too large before that has left, commits wait.
    fn turn_if_due(&mut self) -> Result<(), EngineError> {
        if self.flush.as_ref().is_some_and(Flush::is_finished) {
            self.end_flush()?;
        }
        let bounds = self.shared.options.memtable;
        let Some(since) = self.since else { return Ok(()) };
        let is_large = self.bytes >= bounds.bytes || self.log.bytes() >= bounds.log_bytes;
        let is_due = is_large || self.flush.is_none() && since.elapsed() >= bounds.age;
        if is_due { self.turn() } else { Ok(()) }
    }

    fn turn(&mut self) -> Result<(), EngineError> {
        self.end_flush()?;
        let segment = self.log.turn()?;
        let flush_job = self.depart(segment, BatchMarkers::mark);
        self.flush = Some(flush_job.start(Arc::clone(&self.shared))?);
        Ok(())
    }

    /// What goes to the engine with the present memtable. Its segment is synced.
    pub(super) fn depart(
        &mut self,
        segment: PathBuf,
        mark: impl FnOnce(BatchMarkers, Watermark, &mut Rows) -> BatchMarkers,
    ) -> FlushJob {
        self.synced = Watermark { frame: self.log.frame(), position: self.position };
        self.watermark.write(self.synced);
        let mut marks = Rows::new();
        self.marks = mark(self.marks, self.synced, &mut marks);
        (self.since, self.bytes) = (None, 0);
        self.shared.gauges.flushes.add(1);
        FlushJob { memtable: self.shared.memtables.turn(), marks, segments: vec![segment] }
    }

    /// Waits for the flush that is under way, if there is one.
    pub(super) fn end_flush(&mut self) -> Result<(), EngineError> {
        match self.flush.take() {
            Some(flush) => flush.join().unwrap_or_else(|_| Err(EngineError::FlushPanicked)),
            None => Ok(()),
        }
    }

    /// Leaves a store that opens at once, without any question about its last batches.
    fn end(&mut self) {
        self.entry_count_scan.stop();
        let flushed = self.end_flush();
        let Some(engine) = self.set_engine(None) else { return };
        // If the engine fails, the log has everything.
        let synced = self.log.sync().map_err(EngineError::from);
        let ended = flushed.and(synced).and_then(|()| {
            let segment = self.log.path().to_owned();
            self.depart(segment, BatchMarkers::mark_anew).complete(&engine)
        });
        if let Err(error) = ended {
            folder::distrust(&self.shared.folder);
            tracing::error!(
                folder = %self.shared.folder.display(),
                %error,
                "the store could not be closed in good order"
            );
        }
    }

    pub(super) fn set_engine(&self, engine: Option<Engine>) -> Option<Engine> {
        let mut present = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads now, and the next engine may hold other rows.
        self.shared.recent.forget_all();
        self.shared.snapshots.end();
        std::mem::replace(&mut *present, engine)
    }
}
