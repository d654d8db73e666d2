//! The writer, shared by its thread and by those who submit commits.
//!
//! A small commit that is submitted while nothing else waits can be done by its submitter. To send it to the thread of the
//! writer, and the result back, takes two switches between threads, which can last as long as a sync.

use super::options::{SubmitterCommits, SubmitterWaits};
use super::request::{CommitRequest, Job};
use super::writer::{Step, Writer};
use crate::threads::sync::atomic::{AtomicUsize, Ordering};
use crate::threads::sync::mpsc::{SendError, SyncSender, TrySendError};
use crate::threads::sync::{Mutex, PoisonError};
use crate::threads::thread::{self, ThreadId};
use std::ops::ControlFlow;
use std::time::Duration;
use webpush_core::env::MonotonicTime;

/// A writer behind a lock.
pub(super) struct SharedWriter {
    state: Mutex<State>,
    /// The number of commits that were sent to the thread and are not done.
    waiting: AtomicUsize,
    /// The submitter that is doing its commit.
    submitter: Mutex<Option<ThreadId>>,
    /// `None` if submitters must not do commits.
    conditions: Option<SubmitterCommits>,
}

struct State {
    /// `None` once the store is closed.
    writer: Option<Writer>,
    /// When the waiting thread wakes up without a job; `None` if never.
    wakes_at: Option<MonotonicTime>,
}

impl SharedWriter {
    pub(super) fn new(writer: Writer) -> Self {
        let conditions = writer.shared.options.submitter_commits.clone();
        let state = Mutex::new(State { writer: Some(writer), wakes_at: None });
        Self { state, waiting: AtomicUsize::new(0), submitter: Mutex::default(), conditions }
    }

    /// Commits a request on this thread if that is quick, or else sends it to the thread of the writer.
    ///
    /// Either way it is committed after those that this thread, or one that it has heard from, submitted before.
    pub(super) fn submit(
        &self,
        request: CommitRequest,
        jobs: &SyncSender<Job>,
    ) -> Result<(), TrySendError<Job>> {
        match self.commit_here(request, jobs) {
            Some(request) => self.count_waiting(|| jobs.try_send(Job::Commit(request))),
            None => Ok(()),
        }
    }

    /// Sends a request to the thread of the writer, and waits while its queue is full.
    pub(super) fn send(&self, request: CommitRequest, jobs: &SyncSender<Job>) -> Result<(), SendError<Job>> {
        self.count_waiting(|| jobs.send(Job::Commit(request)))
    }

    fn count_waiting<E>(&self, send: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        send().inspect_err(|_| {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        })
    }

    /// Commits a request on this thread, or returns it.
    fn commit_here(&self, request: CommitRequest, jobs: &SyncSender<Job>) -> Option<CommitRequest> {
        let Some(conditions) = &self.conditions else { return Some(request) };
        if !request.is_small() || self.waiting.load(Ordering::Acquire) > 0 {
            return Some(request);
        }
        let Ok(mut state) = self.state.try_lock() else { return Some(request) };
        let State { writer: Some(writer), wakes_at } = &mut *state else { return Some(request) };
        let now = writer.now();
        if !writer.is_quick(now, conditions.sync_limit) {
            return Some(request);
        }
        {
            let _here = CommittingHere::begin(&self.submitter, &*conditions.waits);
            writer.commit_alone(request, now);
        }
        let next = writer.wake_at(now);
        if next.is_some_and(|next| wakes_at.is_none_or(|wakes_at| next < wakes_at)) {
            *wakes_at = next;
            // If the queue is full, the thread is awake.
            drop(jobs.try_send(Job::Tick));
        }
        None
    }

    /// Returns true if this thread is doing a commit that it has submitted.
    pub(super) fn is_committing_here(&self) -> bool {
        *self.submitter.lock().unwrap_or_else(PoisonError::into_inner) == Some(thread::current().id())
    }

    /// Does a step on the thread of the writer. Breaks if the store is closed, or after a panic.
    pub(super) fn step(&self, step: Step) -> ControlFlow<()> {
        let commits = if let Step::Commit(group) = &step { group.len() } else { 0 };
        let Ok(mut state) = self.state.lock() else {
            self.abandon();
            return ControlFlow::Break(());
        };
        let Some(writer) = &mut state.writer else { return ControlFlow::Break(()) };
        let now = writer.now();
        let stepped = writer.step(step, now);
        self.waiting.fetch_sub(commits, Ordering::AcqRel);
        if stepped.is_break() {
            state.writer = None;
        }
        stepped
    }

    /// Returns how long the thread pauses before it gathers the next group.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.state.lock().ok()?.writer.as_ref()?.pause()
    }

    /// Returns how long the thread waits for a job; `None` for ever.
    pub(super) fn begin_wait(&self) -> Option<Duration> {
        let mut state = self.state.lock().ok()?;
        let writer = state.writer.as_ref()?;
        let now = writer.now();
        state.wakes_at = writer.wake_at(now);
        state.wakes_at.map(|wakes_at| wakes_at.since(now))
    }

    /// Returns when work is due without a job.
    pub(super) fn wake_at(&self) -> Option<MonotonicTime> {
        let state = self.state.lock().ok()?;
        let writer = state.writer.as_ref()?;
        writer.wake_at(writer.now())
    }

    /// Runs the tasks that wait for a simulation to run them.
    pub(super) fn run_tasks(&self) {
        if let Ok(mut state) = self.state.lock()
            && let Some(writer) = &mut state.writer
        {
            writer.run_tasks();
        }
    }

    /// Drops the writer, which leaves the store like a crash.
    pub(super) fn abandon(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).writer = None;
    }
}

/// Exists while this thread is doing a commit that it has submitted.
struct CommittingHere<'a> {
    submitter: &'a Mutex<Option<ThreadId>>,
    waits: &'a dyn SubmitterWaits,
}

impl<'a> CommittingHere<'a> {
    fn begin(submitter: &'a Mutex<Option<ThreadId>>, waits: &'a dyn SubmitterWaits) -> Self {
        *submitter.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        waits.begin();
        Self { submitter, waits }
    }
}

impl Drop for CommittingHere<'_> {
    fn drop(&mut self) {
        self.waits.end();
        *self.submitter.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
