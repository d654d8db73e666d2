//! Ends messages whose TTL has run out (RFC 8030 §5.2): a timer at the next deadline, no scan.

use crate::fresh;
use crate::service::Service;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use webpush_core::outcome::Outcome;
use webpush_core::time::Timestamp;
use webpush_store::{Applied, Durability, Op, StoreError};

/// Expired messages settled in one transaction, so that sweeping never holds up a push for long.
const SLICE: usize = 500;
/// How long after its TTL a message is ended. It is not delivered any more, but an acknowledgement that was on its way
/// still counts. With [`PAUSE`] this keeps a receipt for an expired message within two seconds.
const GRACE: Duration = Duration::from_secs(1);
/// The shortest time between two sweeps: messages that expire close together go together.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a sweep waits after the store could not be reached.
const RETRY: Duration = Duration::from_secs(5);

/// When the next stored message expires, as far as anybody has said.
#[derive(Default)]
pub struct SweepTimer {
    next_millis: AtomicU64,
    earlier: Notify,
}

impl SweepTimer {
    /// Hears of stored messages.
    pub fn announce(&self, applied: &[Applied]) {
        for change in applied {
            if let Applied::Appended(appended) = change {
                let expires = appended.message.expires.as_millis();
                if expires < self.next_millis.fetch_min(expires, Ordering::AcqRel) {
                    self.earlier.notify_one();
                }
            }
        }
    }

    /// Lets the store say anew what is due.
    pub fn look_again(&self) {
        self.next_millis.store(0, Ordering::Release);
        self.earlier.notify_one();
    }

    async fn wait_until_due(&self) {
        loop {
            let next = Timestamp::from_millis(self.next_millis.load(Ordering::Acquire));
            let left = fresh::now().until(next.after(GRACE));
            if left.is_zero() {
                return;
            }
            // The clock may be set meanwhile: an hour is the longest that this sleeps on its word.
            let sleep = tokio::time::sleep(left.min(Duration::from_secs(3600)));
            tokio::select! {
                () = sleep => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}

/// Sweeps until it is dropped.
pub async fn run(service: &Service) {
    let timer = &service.sweep_timer;
    loop {
        timer.wait_until_due().await;
        // From here on any message may be the next; what `due` says is only lowered, never overwritten.
        timer.next_millis.store(u64::MAX, Ordering::Release);
        match sweep(service).await {
            Ok(next) => {
                timer.next_millis.fetch_min(next.as_millis(), Ordering::AcqRel);
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => {
                timer.next_millis.store(0, Ordering::Release);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Settles everything that has expired; says when the next one will.
async fn sweep(service: &Service) -> Result<Timestamp, StoreError> {
    loop {
        let due = service.store.due(fresh::now().before(GRACE), SLICE)?;
        if due.entries.is_empty() {
            return Ok(due.next.unwrap_or(Timestamp::NEVER));
        }
        let ops = due.entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Expired)).collect();
        service.commit(ops, Durability::Durable).await?;
    }
}
