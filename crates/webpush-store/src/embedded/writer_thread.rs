//! The thread of a writer, which waits for jobs and for work that is due.

use super::request::{CommitRequest, Job};
use super::shared_writer::SharedWriter;
use super::writer::Step;
use crate::system;
use crate::threads::sync::mpsc::{Receiver, RecvTimeoutError};

/// Maximum number of operations in a batch; one request may exceed it.
const GROUP_OPS: usize = 1024;

/// Steps a writer until the store is closed, or all its handles are dropped.
pub(super) fn run(writer: &SharedWriter, jobs: &Receiver<Job>) {
    let mut next = None;
    loop {
        let job = match next.take() {
            Some(job) => job,
            None => wait(writer, jobs),
        };
        let step = match job {
            Waited::Job(Job::Commit(first)) => {
                if let Some(pause) = writer.pause() {
                    system::sleep(pause);
                }
                let (group, other) = gather(first, jobs);
                next = other.map(Waited::Job);
                Step::Commit(group)
            }
            Waited::Job(Job::Flush(asked)) => Step::Flush(asked),
            Waited::Job(Job::Close) | Waited::Nobody => Step::Close,
            Waited::Job(Job::Tick) | Waited::Time => Step::Tick,
        };
        if writer.step(step).is_break() {
            return;
        }
    }
}

/// The end of a wait.
enum Waited {
    Job(Job),
    /// Work is due.
    Time,
    /// All handles are dropped.
    Nobody,
}

fn wait(writer: &SharedWriter, jobs: &Receiver<Job>) -> Waited {
    if let Ok(job) = jobs.try_recv() {
        return Waited::Job(job);
    }
    let Some(longest) = writer.begin_wait() else { return jobs.recv().map_or(Waited::Nobody, Waited::Job) };
    match jobs.recv_timeout(longest) {
        Ok(job) => Waited::Job(job),
        Err(RecvTimeoutError::Timeout) => Waited::Time,
        Err(RecvTimeoutError::Disconnected) => Waited::Nobody,
    }
}

/// Takes waiting commits, up to a limit, and the job after them if it is not a commit.
pub(super) fn gather(first: CommitRequest, jobs: &Receiver<Job>) -> (Vec<CommitRequest>, Option<Job>) {
    let mut count = first.ops.len();
    let mut group = vec![first];
    while count < GROUP_OPS {
        match jobs.try_recv() {
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
