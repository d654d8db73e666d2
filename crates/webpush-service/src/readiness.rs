//! Readiness for load balancers.
//!
//! The server is ready if the store accepts writes, it has all ACME certificates, and it is not shutting down.
//!
//! In a cluster it also receives the notices of other nodes.
//!
//! A recent durable commit proves that the store accepts writes. Otherwise a check commits a probe that leaves nothing
//! behind: one at a time and at most one per second, regardless of the number of callers.

mod check;

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use webpush_core::env::{Env, MonotonicTime};
use webpush_store::Durability;

/// How long a durable commit counts as proof that the store accepts writes.
const RECENT: Duration = Duration::from_secs(10);

/// The state that readiness is determined from.
pub struct Readiness {
    env: Env,
    draining: AtomicBool,
    /// True if TLS handshakes fail for a domain because its ACME certificate is missing.
    certificate_missing: AtomicBool,
    /// True if a commit failed since the last successful one.
    store_was_down: AtomicBool,
    /// Monotonic milliseconds of the last durable commit, plus one; 0 if there was none.
    written: AtomicU64,
    /// Time and result of the last probe.
    last_probe: Mutex<Option<(MonotonicTime, Result<(), NotReady>)>>,
    /// True while a probe is in the store, even after its caller timed out.
    probing: AtomicBool,
}

/// Why a server is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It is shutting down.
    Draining,
    /// An ACME certificate is missing.
    NoCertificate,
    /// The store does not accept writes.
    StoreDown,
    /// The store did not respond in time.
    StoreSlow,
}

impl NotReady {
    /// Returns the reason in a few words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Draining => "the server is shutting down",
            Self::NoCertificate => "no TLS certificate yet for some of acme.domains",
            Self::StoreDown => "the store cannot be written",
            Self::StoreSlow => "the store did not respond in time",
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for NotReady {}

impl Readiness {
    /// Creates the state of a service without commits.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self {
            env,
            draining: AtomicBool::new(false),
            certificate_missing: AtomicBool::new(false),
            store_was_down: AtomicBool::new(false),
            written: AtomicU64::new(0),
            last_probe: Mutex::default(),
            probing: AtomicBool::new(false),
        }
    }

    /// Records that the server is shutting down.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Returns true if the server is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Records whether an ACME certificate is missing.
    pub fn set_certificate_missing(&self, missing: bool) {
        self.certificate_missing.store(missing, Ordering::Release);
    }

    /// Records a successful commit. Returns true if the store was down before.
    pub(crate) fn committed(&self, durability: Durability) -> bool {
        if durability == Durability::Durable {
            self.written.store(self.now() + 1, Ordering::Release);
        }
        // The load keeps the common case free of a write.
        self.store_was_down.load(Ordering::Acquire) && self.store_was_down.swap(false, Ordering::AcqRel)
    }

    /// Records a failed commit.
    pub(crate) fn failed(&self) {
        self.store_was_down.store(true, Ordering::Release);
    }

    fn was_written_recently(&self) -> bool {
        let written = self.written.load(Ordering::Acquire);
        let is_recent =
            written > 0 && u128::from((self.now() + 1).saturating_sub(written)) < RECENT.as_millis();
        is_recent && !self.store_was_down.load(Ordering::Acquire)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.env.monotonic().elapsed_since_start().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
