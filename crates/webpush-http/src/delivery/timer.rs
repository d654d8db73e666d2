//! One timer for a deadline that moves.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// How late a timer may fire. Resetting it for less is not worth the cost.
const SLACK: Duration = Duration::from_millis(10);

/// A timer that takes one word while there is no deadline.
#[derive(Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Completes at `deadline`.
    ///
    /// The timer is reset only to an earlier time, because most deadlines have moved on by the time it fires.
    pub(super) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if timer.deadline() > deadline + SLACK {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// Frees the timer.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[tokio::test(start_paused = true)]
    async fn a_moving_deadline_is_met() {
        let mut timer = Timer::default();
        let start = Instant::now();
        let mut is_due = |seconds| {
            let deadline = start + Duration::from_secs(seconds);
            timer.poll_until(deadline, &mut Context::from_waker(Waker::noop())).is_ready()
        };
        assert!(!is_due(10) && !is_due(20) && !is_due(5));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(!is_due(30), "it has moved on");
        assert!(is_due(6));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(is_due(30) && is_due(0));
    }
}
