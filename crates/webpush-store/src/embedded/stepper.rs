//! A store whose writer is stepped by hand, for simulations.

use super::request::Job;
use super::writer::{Step, Writer, gather};
use std::sync::mpsc::Receiver;
use webpush_core::env::MonotonicTime;

/// The writer of a store, stepped by hand.
///
/// Made by [`EmbeddedStore::open_stepped`](super::EmbeddedStore::open_stepped). Nothing that was submitted is done before [`Stepper::step`] is called. Dropping it leaves the store as a crash would.
pub struct Stepper {
    writer: Writer,
    jobs: Receiver<Job>,
    next: Option<Job>,
    is_closed: bool,
}

impl Stepper {
    pub(super) const fn new(writer: Writer, jobs: Receiver<Job>) -> Self {
        Self { writer, jobs, next: None, is_closed: false }
    }

    /// Does the next job that was submitted, or what is due by now if none was.
    ///
    /// Commits that wait behind each other share a group. Returns false if nothing was submitted.
    pub fn step(&mut self) -> bool {
        let job = self.next.take().or_else(|| self.jobs.try_recv().ok());
        let is_asked = job.is_some();
        let step = match job {
            Some(Job::Commit(first)) => {
                let (group, next) = gather(first, &self.jobs);
                self.next = next;
                Step::Commit(group)
            }
            Some(Job::Flush(asked)) => Step::Flush(asked),
            Some(Job::Close) => Step::Close,
            None => Step::Tick,
        };
        if !self.is_closed {
            self.is_closed = self.writer.step(step, self.writer.now()).is_break();
        }
        is_asked
    }

    /// Does what was submitted, closes the store and leaves its directory as a program that ends does.
    pub fn close(mut self) {
        while self.step() {}
        if !self.is_closed {
            let now = self.writer.now();
            let _: std::ops::ControlFlow<()> = self.writer.step(Step::Close, now);
        }
    }

    /// Runs the tasks beside the writer: a flush of a memtable, a count of the entries.
    pub fn run_tasks(&mut self) {
        self.writer.run_tasks();
    }

    /// Returns when [`Stepper::step`] has something to do even if nothing is submitted before.
    #[must_use]
    pub fn wake_at(&self) -> Option<MonotonicTime> {
        self.writer.wake_at(self.writer.now())
    }
}
