//! Stopping in order: no new connections, what is under way is finished, then the store is closed.

use crate::wake::Registry;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How long connections may take to finish before they are cut, once they were told to.
pub const GRACE: Duration = Duration::from_secs(10);

/// Tells connections to finish, and knows when they have.
pub struct Drain {
    begun: watch::Sender<bool>,
    alive: mpsc::Sender<()>,
    all_gone: mpsc::Receiver<()>,
}

/// Held by everything that must be finished before the service ends.
#[derive(Clone)]
pub struct Draining {
    begun: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

impl Default for Drain {
    fn default() -> Self {
        let (alive, all_gone) = mpsc::channel(1);
        Self { begun: watch::Sender::new(false), alive, all_gone }
    }
}

impl Drain {
    /// For one more thing to be finished.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining { begun: self.begun.subscribe(), _alive: self.alive.clone() }
    }

    /// Tells all to finish and waits until they have; some take their leave within a window. Says whether all did within
    /// [`GRACE`] after that. Agents with one connection wait for nothing but the registry.
    pub async fn finish(mut self, registry: &Registry, window: Duration) -> bool {
        self.begun.send_replace(true);
        registry.wake_all();
        drop(self.alive);
        tokio::time::timeout(window + GRACE, self.all_gone.recv()).await.is_ok()
    }
}

impl Draining {
    /// Whether the service has begun to stop.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow() || self.begun.has_changed().is_err()
    }

    /// Returns when the service has begun to stop, or at once if it has.
    pub async fn begun(&mut self) {
        // An error means that the sender is gone: then it is over as well.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }
}

/// The two signals that ask a service to stop.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// When the operating system doesn't let them be caught.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; its name, for the log.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
