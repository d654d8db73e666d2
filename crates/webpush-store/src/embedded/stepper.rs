//! A store whose writer is stepped by hand, for simulations.

use super::request::Job;
use super::shared_writer::SharedWriter;
use super::writer::Step;
use super::writer_thread::gather;
use crate::threads::sync::Arc;
use crate::threads::sync::mpsc::Receiver;
use webpush_core::env::MonotonicTime;

/// Steps the writer of a store.
///
/// Created by [`EmbeddedStore::open_stepped`](super::EmbeddedStore::open_stepped). Nothing is done until
/// [`Stepper::step`] is called, but for commits on their submitters if those are allowed. Dropping the stepper leaves the
/// store like a crash.
pub struct Stepper {
    writer: Arc<SharedWriter>,
    jobs: Receiver<Job>,
    next: Option<Job>,
}

impl Stepper {
    pub(super) const fn new(writer: Arc<SharedWriter>, jobs: Receiver<Job>) -> Self {
        Self { writer, jobs, next: None }
    }

    /// Runs the next submitted job, or work that is due if there is none.
    ///
    /// Waiting commits share a group. Returns false if no job was submitted.
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
            Some(Job::Tick) | None => Step::Tick,
        };
        self.do_step(step);
        is_asked
    }

    /// Runs all jobs, closes the store, and leaves its directory like a program that ends.
    pub fn close(mut self) {
        while self.step() {}
        self.do_step(Step::Close);
    }

    /// Nothing is done after the store was closed.
    fn do_step(&self, step: Step) {
        let _: std::ops::ControlFlow<()> = self.writer.step(step);
    }

    /// Runs background tasks: a flush of a memtable, or a scan of the entries.
    pub fn run_tasks(&mut self) {
        self.writer.run_tasks();
    }

    /// Returns the time at which [`Stepper::step`] has work even without a job.
    #[must_use]
    pub fn wake_at(&self) -> Option<MonotonicTime> {
        self.writer.wake_at()
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        self.writer.abandon();
    }
}
