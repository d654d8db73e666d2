//! Whether the service can do its work: the store can be written, there is a certificate where one is to be had by ACME, and
//! it has not been asked to stop.
//!
//! What the last commits came to is known. If there were none lately, or one has failed, a commit that changes nothing is
//! tried: one at a time, one a second at most, however many ask.

use crate::service::Service;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use webpush_core::env::{Env, MonotonicTime};
use webpush_core::id::InboxId;
use webpush_core::inbox::{Inbox, Owner};
use webpush_store::{Durability, Op};

/// For so long a durable commit shows that the store can be written.
const RECENT: Duration = Duration::from_secs(10);
/// The shortest time between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that a try may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The inbox that a try makes and removes; ids of others are random.
const TRIED: InboxId = InboxId::from_bytes([0; 16]);

/// What is known of it.
pub struct Readiness {
    env: Env,
    draining: AtomicBool,
    /// Handshakes fail for some of the domains that certificates are had for by ACME.
    lacks_certificate: AtomicBool,
    /// A commit has failed since the last one that did not.
    store_was_down: AtomicBool,
    /// Monotonic milliseconds at which a durable commit was over last, plus one; 0 if none was.
    written: AtomicU64,
    /// When it was tried last, and with what result.
    tried: Mutex<Option<(MonotonicTime, Result<(), NotReady>)>>,
    /// A try that took too long may still be in the store.
    trying: AtomicBool,
}

/// Why a service is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It stops.
    Draining,
    /// The authority has issued no certificate yet.
    NoCertificate,
    /// The store can't be written.
    StoreDown,
    /// The store does not say.
    StoreSlow,
}

impl NotReady {
    /// Returns the reason in a few words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Draining => "the service stops",
            Self::NoCertificate => "there is no TLS certificate for all of acme.domains yet",
            Self::StoreDown => "the store can't be written",
            Self::StoreSlow => "the store does not answer in time",
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
    /// Creates the state of a service that has committed nothing yet.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self {
            env,
            draining: AtomicBool::new(false),
            lacks_certificate: AtomicBool::new(false),
            store_was_down: AtomicBool::new(false),
            written: AtomicU64::new(0),
            tried: Mutex::default(),
            trying: AtomicBool::new(false),
        }
    }

    /// The service stops: it is not ready from now on.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether it stops.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether a certificate is still to come.
    pub fn set_certificate_missing(&self, lacks: bool) {
        self.lacks_certificate.store(lacks, Ordering::Release);
    }

    /// A commit is over; whether one before it had failed.
    pub(crate) fn committed(&self, durability: Durability) -> bool {
        if durability == Durability::Durable {
            self.written.store(self.now() + 1, Ordering::Release);
        }
        // Looked at first: this is asked for every commit, and seldom so.
        self.store_was_down.load(Ordering::Acquire) && self.store_was_down.swap(false, Ordering::AcqRel)
    }

    /// A commit has failed.
    pub(crate) fn failed(&self) {
        self.store_was_down.store(true, Ordering::Release);
    }

    fn was_written_lately(&self) -> bool {
        let written = self.written.load(Ordering::Acquire);
        let is_recent =
            written > 0 && u128::from((self.now() + 1).saturating_sub(written)) < RECENT.as_millis();
        is_recent && !self.store_was_down.load(Ordering::Acquire)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.env.monotonic().elapsed_since_start().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Service {
    /// Whether the service can do its work. Takes two seconds at most for whoever asks first, and for those who wait
    /// behind.
    ///
    /// # Errors
    /// [`NotReady`] says why not.
    pub async fn check_readiness(&self) -> Result<(), NotReady> {
        let readiness = &self.readiness;
        if readiness.is_draining() {
            return Err(NotReady::Draining);
        }
        self.store_works().await?;
        // Last: what else is the matter must not be hidden by an authority that does not answer.
        if readiness.lacks_certificate.load(Ordering::Acquire) {
            return Err(NotReady::NoCertificate);
        }
        Ok(())
    }

    async fn store_works(&self) -> Result<(), NotReady> {
        let readiness = &self.readiness;
        if readiness.was_written_lately() {
            return Ok(());
        }
        let mut tried = readiness.tried.lock().await;
        // That it worked says nothing any more once a commit has failed.
        if let Some((at, result)) = *tried
            && self.monotonic().since(at) < PAUSE
            && (result.is_err() || !readiness.store_was_down.load(Ordering::Acquire))
        {
            return result;
        }
        let result = self.try_to_write().await;
        *tried = Some((self.monotonic(), result));
        result
    }

    async fn try_to_write(&self) -> Result<(), NotReady> {
        let readiness = Arc::clone(&self.readiness);
        if readiness.trying.swap(true, Ordering::AcqRel) {
            return Err(NotReady::StoreSlow);
        }
        let (created, key) = (self.now(), self.keyring.current());
        let inbox = Inbox { id: TRIED, owner: Owner::Agent, created, key };
        let (answer, answered) = oneshot::channel();
        self.submit(
            vec![Op::CreateInbox(inbox), Op::RemoveInbox(TRIED)],
            Durability::Durable,
            move |result| {
                readiness.trying.store(false, Ordering::Release);
                drop(answer.send(result.map(drop)));
            },
        );
        match timeout(PATIENCE, answered).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(_)) | Err(_)) => Err(NotReady::StoreDown),
            Err(_) => Err(NotReady::StoreSlow),
        }
    }
}

#[cfg(test)]
mod tests;
