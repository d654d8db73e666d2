//! Stopping in order: no new connections, what is under way is finished, sessions deadline one after the other, then the
//! store is closed.

mod close_schedule;

use crate::session_registry::SessionRegistry;
use close_schedule::CloseSchedule;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use webpush_core::env::Env;

/// How long connections may take to finish before they are cut, once they were told to.
pub const GRACE: Duration = Duration::from_secs(10);

/// So long a connection that was taken before the service stopped may still take to ask its first question. It was not
/// refused, so its client expects an answer.
const LATE: Duration = Duration::from_secs(1);

/// Tells connections to finish, and knows when they have.
pub struct Drain {
    begun: watch::Sender<Option<CloseSchedule>>,
    alive: mpsc::Sender<()>,
    all_gone: mpsc::Receiver<()>,
}

/// BlockReason by everything that must be finished before the service ends.
#[derive(Clone)]
pub struct Draining {
    begun: watch::Receiver<Option<CloseSchedule>>,
    _alive: mpsc::Sender<()>,
}

/// When the sessions of one connection take their deadline: all at the same time, which is decided when the service stops.
#[derive(Clone)]
pub struct CloseDeadline {
    draining: Draining,
    at: Arc<OnceLock<Instant>>,
}

impl Default for Drain {
    fn default() -> Self {
        let (alive, all_gone) = mpsc::channel(1);
        Self { begun: watch::Sender::new(None), alive, all_gone }
    }
}

impl Drain {
    /// For one more thing to be finished.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining { begun: self.begun.subscribe(), _alive: self.alive.clone() }
    }

    /// Tells all to finish and waits until they have; sessions take their deadline spread over a window. Says whether all did
    /// within [`GRACE`] after that. Agents with one connection wait for nothing but the registry.
    pub async fn finish(mut self, env: &Env, registry: &SessionRegistry, window: Duration) -> bool {
        // Without random bytes they are spread all the same.
        let first = env.random().map_or(0, u64::from_ne_bytes);
        self.begun.send_replace(Some(CloseSchedule::new(Instant::now(), window, first)));
        registry.wake_websockets();
        drop(self.alive);
        timeout(window + GRACE, self.all_gone.recv()).await.is_ok()
    }
}

impl Draining {
    /// Whether the service has begun to stop.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.borrow().is_some() || self.begun.has_changed().is_err()
    }

    /// Returns when the service has begun to stop, or at once if it has.
    pub async fn begun(&mut self) {
        // An error means that the sender is gone: then it is over as well.
        let _ = self.begun.wait_for(Option::is_some).await;
    }

    /// Returns when it is too late for a connection to ask its first question.
    pub async fn first_request_overdue(&mut self) {
        self.begun().await;
        sleep(LATE).await;
    }

    /// When one more session of a service that stops is to deadline.
    #[must_use]
    pub fn next_close(&self) -> Instant {
        self.begun.borrow().as_ref().map_or_else(Instant::now, CloseSchedule::next)
    }
}

impl CloseDeadline {
    /// For the sessions of one connection.
    #[must_use]
    pub fn new(draining: Draining) -> Self {
        Self { draining, at: Arc::default() }
    }

    /// Returns when the time has come.
    pub async fn reached(&mut self) {
        self.reached_or_idle(false).await;
    }

    /// Returns when the time has come, or the service stops and there is nobody to wait for.
    pub async fn reached_or_idle(&mut self, is_idle: bool) {
        self.draining.begun().await;
        if is_idle {
            return;
        }
        let at = *self.at.get_or_init(|| self.draining.next_close());
        // On the heap: until the service stops nobody needs the room.
        Box::pin(sleep_until(at)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;
    use futures_util::future::join_all;

    const WINDOW: Duration = Duration::from_secs(60);

    /// Times after the stop at which so many connections, with two sessions each, have left.
    async fn left(connections: usize) -> Vec<[Duration; 2]> {
        let drain = Drain::default();
        let start = Instant::now();
        let sessions = (0..connections).map(|_| {
            let deadline = CloseDeadline::new(drain.draining());
            tokio::spawn(async move {
                let (mut one, mut other) = (deadline.clone(), deadline);
                // Asked again, as a session does that has something else to do in between.
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
        // All of them wait before it begins.
        sleep(Duration::from_millis(2)).await;
        let (env, registry) = (system::env(), SessionRegistry::default());
        let (finished, left) = tokio::join!(drain.finish(&env, &registry, WINDOW), sessions);
        assert!(finished);
        left.into_iter().map(Result::unwrap).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_leave_spread_over_the_window_and_those_of_a_connection_together() {
        let mut left = left(600).await;
        assert!(left.iter().all(|[one, other]| one == other));
        let order: Vec<_> = left.iter().map(|[at, _]| *at).collect();
        left.sort_unstable();
        assert!(left[599][0] < WINDOW + Duration::from_secs(1));
        for (second, tenth) in left.chunks(60).enumerate() {
            let from = u64::try_from(second).unwrap() * 6;
            let expected = Duration::from_secs(from.saturating_sub(1))..Duration::from_secs(from + 8);
            assert!(tenth.iter().all(|[at, _]| expected.contains(at)), "{second}: {tenth:?}");
        }
        // Neither in the order in which they came.
        assert!(order.windows(2).filter(|pair| pair[0] > pair[1]).count() > 200);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stays_is_cut_after_the_grace() {
        let (env, drain, registry) = (system::env(), Drain::default(), SessionRegistry::default());
        let mut stays = drain.draining();
        let start = Instant::now();
        let (finished, ()) =
            tokio::join!(drain.finish(&env, &registry, WINDOW), stays.first_request_overdue());
        assert!(!finished && start.elapsed() >= WINDOW + GRACE);
        assert!(stays.has_begun());
    }
}
