//! Background tasks: on threads of their own, or deferred until a simulation runs them.

use crate::threads::is_finished;
use crate::threads::thread::{self, JoinHandle};
use std::io;

/// Where tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskMode {
    /// Each on a thread of its own.
    Threads,
    /// On the caller's thread, when it runs them or needs their result.
    Stepped,
}

/// A started task.
pub(super) struct Task<T>(State<T>);

enum State<T> {
    Running(JoinHandle<T>),
    Waiting(Box<dyn FnOnce() -> T + Send>),
    Finished(T),
}

impl<T: Send + 'static> Task<T> {
    /// Starts a task.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(super) fn start(
        mode: TaskMode,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Self(match mode {
            TaskMode::Threads => State::Running(thread::Builder::new().name(name.to_owned()).spawn(work)?),
            TaskMode::Stepped => State::Waiting(Box::new(work)),
        }))
    }

    /// Returns true if the result is available.
    pub(super) fn is_finished(&self) -> bool {
        match &self.0 {
            State::Running(thread) => is_finished(thread),
            State::Waiting(_) => false,
            State::Finished(_) => true,
        }
    }

    /// Runs the task if it is deferred.
    pub(super) fn run(self) -> Self {
        Self(match self.0 {
            State::Waiting(work) => State::Finished(work()),
            state => state,
        })
    }

    /// Waits for the result, and runs the task first if it is deferred. `None` if it has panicked.
    pub(super) fn join(self) -> Option<T> {
        match self.0 {
            State::Running(thread) => thread.join().ok(),
            State::Waiting(work) => Some(work()),
            State::Finished(result) => Some(result),
        }
    }

    /// Waits until the task has ended. A deferred task is dropped.
    pub(super) fn end(self) {
        if let State::Running(thread) = self.0 {
            // Only its end matters.
            drop(thread.join());
        }
    }
}
