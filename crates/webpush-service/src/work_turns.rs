//! Turns of work that occupies its thread for long.
//!
//! One request works at a time, with everybody else in between.

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

/// The turns. They are taken in the order of arrival.
pub struct WorkTurns(Semaphore);

/// The turn of one piece of work.
pub struct WorkTurn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Default for WorkTurns {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl WorkTurns {
    /// Waits for a turn. The other threads stay with everybody else.
    pub async fn take(&self) -> WorkTurn<'_> {
        WorkTurn { _permit: self.0.acquire().await.ok() }
    }
}

impl WorkTurn<'_> {
    /// Ends the turn once the other tasks of the thread have run.
    ///
    /// Until then no other piece of work begins. So the requests of one connection, which share a task, do not follow each
    /// other without a pause.
    pub async fn end(self) {
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    /// A1: polls three pieces of work as one task does, and counts those that are done in each poll.
    #[tokio::test]
    async fn one_poll_of_a_task_does_one_piece_of_work() {
        let (turns, done) = (WorkTurns::default(), RefCell::new(0));
        let work = || async {
            let turn = turns.take().await;
            *done.borrow_mut() += 1;
            turn.end().await;
        };
        let (mut first, mut second, mut third) = (pin!(work()), pin!(work()), pin!(work()));
        let mut open = [true; 3];
        let mut before = 0;
        poll_fn(|cx| {
            for (open, work) in open.iter_mut().zip([&mut first, &mut second, &mut third]) {
                *open = *open && work.as_mut().poll(cx).is_pending();
            }
            let now = *done.borrow();
            assert!(now <= before + 1, "{before} {now}");
            before = now;
            if open.contains(&true) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert_eq!(before, 3);
    }
}
