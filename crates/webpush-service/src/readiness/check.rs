//! The readiness check, which may write a probe to the store.

use super::NotReady;
use crate::service::Service;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use webpush_core::id::InboxId;
use webpush_core::inbox::{Inbox, Owner};
use webpush_store::{Durability, Op};

/// Minimum time between two probes.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum duration of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The inbox that a probe creates and removes. Other IDs are random.
pub(super) const PROBE: InboxId = InboxId::from_bytes([0; 16]);

impl Service {
    /// Checks that the service is ready. Takes at most two seconds; concurrent callers share one probe.
    ///
    /// # Errors
    /// [`NotReady`] has the reason.
    pub async fn check_readiness(&self) -> Result<(), NotReady> {
        let readiness = &self.readiness;
        if readiness.is_draining() {
            return Err(NotReady::Draining);
        }
        self.check_store().await?;
        // Writes may succeed while notices of other nodes do not arrive.
        if self.is_shared() && self.statistics().is_some_and(|store| !store.is_up) {
            return Err(NotReady::StoreDown);
        }
        // Last, so that a missing certificate does not hide a failing store.
        if readiness.certificate_missing.load(Ordering::Acquire) {
            return Err(NotReady::NoCertificate);
        }
        Ok(())
    }

    async fn check_store(&self) -> Result<(), NotReady> {
        let readiness = &self.readiness;
        if readiness.was_written_recently() {
            return Ok(());
        }
        let mut last_probe = readiness.last_probe.lock().await;
        // A successful probe proves nothing once a commit has failed.
        if let Some((at, result)) = *last_probe
            && self.monotonic().since(at) < PAUSE
            && (result.is_err() || !readiness.store_was_down.load(Ordering::Acquire))
        {
            return result;
        }
        let result = self.probe_store().await;
        *last_probe = Some((self.monotonic(), result));
        result
    }

    async fn probe_store(&self) -> Result<(), NotReady> {
        let readiness = Arc::clone(&self.readiness);
        if readiness.probing.swap(true, Ordering::AcqRel) {
            return Err(NotReady::StoreSlow);
        }
        let (created, key) = (self.now(), self.keyring.current());
        let id = self.place(PROBE);
        let inbox = Inbox { id, owner: Owner::Agent, created, key };
        let (sender, receiver) = oneshot::channel();
        self.submit(vec![Op::CreateInbox(inbox), Op::RemoveInbox(id)], Durability::Durable, move |result| {
            readiness.probing.store(false, Ordering::Release);
            drop(sender.send(result.map(drop)));
        });
        match timeout(PROBE_TIMEOUT, receiver).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(_)) | Err(_)) => Err(NotReady::StoreDown),
            Err(_) => Err(NotReady::StoreSlow),
        }
    }
}
