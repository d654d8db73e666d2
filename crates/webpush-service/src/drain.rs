//! Graceful shutdown: finishes requests under way and closes sessions, spread over a window.

mod close_schedule;

use crate::session_registry::SessionRegistry;
use close_schedule::CloseSchedule;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use webpush_core::env::Env;

/// How long connections may take to finish after the window before they are cut off.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long a connection accepted before shutdown may take to send its first request.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Starts the shutdown, and waits for every [`Draining`] to be dropped.
pub struct Drain {
    begun: watch::Sender<Option<CloseSchedule>>,
}

/// Notifies a task of shutdown. The shutdown waits until all clones are dropped.
#[derive(Clone)]
pub struct Draining {
    begun: watch::Receiver<Option<CloseSchedule>>,
}

/// When the sessions of one connection are closed during shutdown: all at the same time.
#[derive(Clone)]
pub struct CloseDeadline {
    draining: Draining,
    at: Arc<OnceLock<Instant>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self { begun: watch::Sender::new(None) }
    }
}

impl Drain {
    /// Creates a handle for a task that the shutdown waits for.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining { begun: self.begun.subscribe() }
    }

    /// Begins the shutdown, and waits for all tasks. Sessions are closed spread over `window`.
    ///
    /// Returns false if some have not finished within [`GRACE`] after the window.
    pub async fn finish(self, env: &Env, registry: &SessionRegistry, window: Duration) -> bool {
        // Without random bytes the sessions are still spread.
        let first = env.random().map_or(0, u64::from_ne_bytes);
        self.begun.send_replace(Some(CloseSchedule::new(Instant::now(), window, first)));
        // WebSocket sessions wait only for the registry.
        registry.wake_websockets();
        timeout(window + GRACE, self.begun.closed()).await.is_ok()
    }
}

impl Draining {
    /// Returns true if the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.borrow().is_some() || self.begun.has_changed().is_err()
    }

    /// Waits for the shutdown to begin.
    pub async fn begun(&mut self) {
        // An error means that the `Drain` was dropped, which ends the server as well.
        let _ = self.begun.wait_for(Option::is_some).await;
    }

    /// Waits until it is too late, after the shutdown has begun, for the first request of a connection.
    pub async fn first_request_overdue(&mut self) {
        self.begun().await;
        sleep(FIRST_REQUEST_GRACE).await;
    }

    /// Returns the time at which the next session is closed. Each call returns another one.
    #[must_use]
    pub fn next_close(&self) -> Instant {
        self.begun.borrow().as_ref().map_or_else(Instant::now, CloseSchedule::next)
    }
}

impl CloseDeadline {
    /// Creates the deadline of a connection's sessions.
    #[must_use]
    pub fn new(draining: Draining) -> Self {
        Self { draining, at: Arc::default() }
    }

    /// Waits for the deadline. Cancel safe.
    pub async fn reached(&mut self) {
        self.reached_or_idle(false).await;
    }

    /// Waits for the deadline, or only for the shutdown to begin if `is_idle`. Cancel safe.
    pub async fn reached_or_idle(&mut self, is_idle: bool) {
        self.draining.begun().await;
        if is_idle {
            return;
        }
        let at = *self.at.get_or_init(|| self.draining.next_close());
        // Boxed, because the timer is needed only during shutdown.
        Box::pin(sleep_until(at)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;
    use futures_util::future::join_all;

    const WINDOW: Duration = Duration::from_secs(60);

    /// Returns when the sessions of each connection, two each, are closed after the shutdown began.
    async fn close_times(connections: usize) -> Vec<[Duration; 2]> {
        let drain = Drain::default();
        let start = Instant::now();
        let sessions = (0..connections).map(|_| {
            let deadline = CloseDeadline::new(drain.draining());
            tokio::spawn(async move {
                let (mut one, mut other) = (deadline.clone(), deadline);
                // Polled again later, as sessions do.
                assert!(timeout(Duration::from_millis(1), one.reached()).await.is_err());
                let wait = |mut deadline: CloseDeadline| async move {
                    deadline.reached().await;
                    start.elapsed()
                };
                other.reached_or_idle(true).await;
                let (one, other) = tokio::join!(wait(one), wait(other));
                [one, other]
            })
        });
        let sessions = join_all(sessions);
        // All wait before the shutdown begins.
        sleep(Duration::from_millis(2)).await;
        let (env, registry) = (system::env(), SessionRegistry::default());
        let (finished, times) = tokio::join!(drain.finish(&env, &registry, WINDOW), sessions);
        assert!(finished);
        times.into_iter().map(Result::unwrap).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_closed_spread_over_the_window_and_those_of_a_connection_together() {
        let mut times = close_times(600).await;
        assert!(times.iter().all(|[one, other]| one == other));
        let order: Vec<_> = times.iter().map(|[at, _]| *at).collect();
        times.sort_unstable();
        assert!(times[599][0] < WINDOW + Duration::from_secs(1));
        for (second, tenth) in times.chunks(60).enumerate() {
            let from = u64::try_from(second).unwrap() * 6;
            let expected = Duration::from_secs(from.saturating_sub(1))..Duration::from_secs(from + 8);
            assert!(tenth.iter().all(|[at, _]| expected.contains(at)), "{second}: {tenth:?}");
        }
        // They are not closed in the order in which they were opened.
        assert!(order.windows(2).filter(|pair| pair[0] > pair[1]).count() > 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_finish_is_cut_off_after_the_grace_period() {
        let (env, drain, registry) = (system::env(), Drain::default(), SessionRegistry::default());
        let mut stays = drain.draining();
        let start = Instant::now();
        let (finished, ()) =
            tokio::join!(drain.finish(&env, &registry, WINDOW), stays.first_request_overdue());
        assert!(!finished && start.elapsed() >= WINDOW + GRACE);
        assert!(stays.has_begun());
    }
}
