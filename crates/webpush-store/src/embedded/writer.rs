//! The one thread that writes: what waits is applied in order, written as one batch, and synced once for all.

use super::apply::Applier;
use super::changes::Changes;
use super::deadlines::DeadlineCursor;
use super::engine::{Engine, Rows, cause};
use super::marks::Marks;
use super::recent_rows::{News, RecentRows};
use super::rows::Table;
use super::watermark::{Watermark, WatermarkFile};
use super::{Options, folder, recovery};
use crate::{Applied, Done, Durability, Op, StoreError};
use fjall::PersistMode;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Operations that share a batch; one request may exceed it.
const GROUP_OPS: usize = 1024;
/// How long to wait before a failed engine is opened again, and how long at most after many failures.
const REOPEN_DELAY: Duration = Duration::from_millis(250);
const REOPEN_DELAY_LIMIT: Duration = Duration::from_secs(5);

/// What readers and the writer share.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    /// Nothing while the store is down or closed. Readers hold the lock while they read, so that whoever takes the
    /// engine out knows that nobody has it any more.
    pub(super) engine: RwLock<Option<Engine>>,
    pub(super) deadlines: DeadlineCursor,
    pub(super) recent: RecentRows,
}

/// What comes to the writer.
pub(super) enum Job {
    Commit(Request),
    Close,
}

/// A commit that waits. Whatever happens to it, `done` is called once.
pub(super) struct Request {
    ops: Vec<Op>,
    durability: Durability,
    done: Option<Done>,
}

impl Request {
    pub(super) fn new(ops: Vec<Op>, durability: Durability, done: Done) -> Self {
        Self { ops, durability, done: Some(done) }
    }

    pub(super) fn finish(mut self, result: Result<Vec<Applied>, StoreError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(StoreError::Unavailable));
        }
    }
}

/// The writer's side of a store.
pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    marks: Marks,
    synced: Watermark,
    watermark: WatermarkFile,
    /// Something was written that a durable request must sync, even one that changes nothing itself.
    unsynced: bool,
    /// How long to wait before the engine is opened again; grows while it fails, also when it fails soon again.
    delay: Duration,
    back_since: Option<Instant>,
    /// Released when the thread ends.
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        jobs: Receiver<Job>,
        marks: Marks,
        mut watermark: WatermarkFile,
        lock: File,
    ) -> Self {
        let synced = marks.watermark();
        watermark.write(synced);
        Self {
            shared,
            jobs,
            marks,
            synced,
            watermark,
            unsynced: false,
            delay: REOPEN_DELAY,
            back_since: None,
            _lock: lock,
        }
    }

    pub(super) fn run(mut self) {
        while let Ok(Job::Commit(first)) = self.jobs.recv() {
            let (group, closing) = self.gather(first);
            if let Err(error) = self.commit(group) {
                tracing::error!(
                    folder = %self.shared.folder.display(),
                    error = cause(&error),
                    "the store can't be written and is down until it can"
                );
                drop(self.set_engine(None));
                if !closing && self.refuse_until_reopened() {
                    return;
                }
            }
            if closing {
                break;
            }
        }
        self.end();
    }

    /// Takes what waits already, up to a bound; and whether to end after it.
    fn gather(&self, first: Request) -> (Vec<Request>, bool) {
        let mut count = first.ops.len();
        let mut group = vec![first];
        while count < GROUP_OPS {
            match self.jobs.try_recv() {
                Ok(Job::Commit(request)) => {
                    count += request.ops.len();
                    group.push(request);
                }
                Ok(Job::Close) => return (group, true),
                Err(_) => break,
            }
        }
        (group, false)
    }

    /// Applies, writes and answers. After an error all of the group were told that their outcome is not known.
    fn commit(&mut self, mut group: Vec<Request>) -> Result<(), fjall::Error> {
        let shared = Arc::clone(&self.shared);
        let guard = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let Some(engine) = guard.as_ref() else { return Ok(()) };
        let mut applier = Applier {
            changes: Changes::new(engine),
            quota: shared.options.quota,
            recent: &shared.recent,
            position: self.marks.position,
            earliest: None,
            receipts_dropped: 0,
        };
        let answers: Vec<_> =
            group.iter_mut().map(|request| applier.apply_request(std::mem::take(&mut request.ops))).collect();
        let durable = group.iter().any(|request| request.durability == Durability::Durable);
        let earliest = applier.earliest;
        self.write(engine, applier, durable)?;
        if let Some(earliest) = earliest {
            self.shared.deadlines.added(earliest);
        }
        drop(guard);
        for (request, answer) in group.into_iter().zip(answers) {
            request.finish(answer);
        }
        Ok(())
    }

    fn write(&mut self, engine: &Engine, applier: Applier<'_>, durable: bool) -> Result<(), fjall::Error> {
        let position = applier.position;
        if !applier.changes.is_empty() {
            let news = News::of(&applier.changes);
            let mut rows = applier.changes.into_rows();
            let marks = self.marks.mark(position, &mut rows[Table::Batches as usize]);
            engine.write(rows, if durable { PersistMode::SyncData } else { PersistMode::Buffer })?;
            self.shared.recent.hear(news);
            self.marks = marks;
            self.unsynced = !durable;
        } else if durable && self.unsynced {
            engine.sync()?;
            self.unsynced = false;
        }
        if durable {
            self.synced = self.marks.watermark();
            self.watermark.note(self.synced);
        }
        Ok(())
    }

    /// Tries to open the engine again until that works; true when the store was closed meanwhile.
    fn refuse_until_reopened(&mut self) -> bool {
        if self.back_since.is_none_or(|since| since.elapsed() > REOPEN_DELAY_LIMIT) {
            self.delay = REOPEN_DELAY;
        }
        loop {
            if self.refuse_for(self.delay) {
                return true;
            }
            self.delay = (self.delay * 2).min(REOPEN_DELAY_LIMIT);
            match self.reopen() {
                Ok(()) => break,
                Err(error) => {
                    let folder = self.shared.folder.display();
                    tracing::warn!(%folder, error, "the store is still down");
                }
            }
        }
        self.back_since = Some(Instant::now());
        false
    }

    /// Answers everything with [`StoreError::Unavailable`] for a while; true when the store was closed.
    fn refuse_for(&self, delay: Duration) -> bool {
        let end = Instant::now() + delay;
        loop {
            match self.jobs.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Job::Commit(request)) => drop(request),
                Err(RecvTimeoutError::Timeout) => return false,
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        let Shared { folder, options, deadlines, .. } = &*self.shared;
        folder::rewrite_journals(folder).map_err(|error| error.to_string())?;
        let engine = Engine::open(&folder::engine_folder(folder), options).map_err(|error| cause(&error))?;
        // The batch that failed may be there or not; the ones before it must be.
        let synced = Some(self.synced);
        let (marks, _) = recovery::check(&engine, folder, synced).map_err(|error| cause(&error))?;
        self.marks = marks.not_before(self.marks.position);
        self.unsynced = false;
        self.synced = self.marks.watermark();
        self.watermark.write(self.synced);
        deadlines.reset();
        tracing::info!(folder = %folder.display(), "the store is back");
        drop(self.set_engine(Some(engine)));
        Ok(())
    }

    /// Leaves a store that opens without any question about its last batches.
    fn end(&mut self) {
        let Some(engine) = self.set_engine(None) else { return };
        let mut rows: [Rows; Table::ALL.len()] = Default::default();
        let marks = self.marks.mark_anew(&mut rows[Table::Batches as usize]);
        match engine.write(rows, PersistMode::SyncData) {
            Ok(()) => self.watermark.write(marks.watermark()),
            Err(error) => tracing::error!(
                folder = %self.shared.folder.display(),
                error = cause(&error),
                "the store could not be closed in good order"
            ),
        }
    }

    fn set_engine(&self, engine: Option<Engine>) -> Option<Engine> {
        let mut present = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads now, and the next engine may hold other rows.
        self.shared.recent.forget_all();
        std::mem::replace(&mut *present, engine)
    }
}
