//! Expires messages (RFC 8030 §5.2), with a timer for the next deadline instead of scans.

mod timer;

pub use timer::SweepTimer;

use crate::service::Service;
use std::sync::Arc;
use std::time::Duration;
use timer::GRACE;
use tokio::task::JoinHandle;
use webpush_core::message::Outcome;
use webpush_core::time::Timestamp;
use webpush_store::{Durability, Op, StoreError};

/// Maximum number of messages per commit, so that a sweep does not delay pushes.
const SLICE: usize = 500;
/// Minimum time between two sweeps, so that messages that expire close together share a commit.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause after the store failed.
const RETRY: Duration = Duration::from_secs(5);

const _: () = assert!(
    GRACE.as_millis() + PAUSE.as_millis() < 2000,
    "the receipt of an expired message is due within two seconds"
);

/// Starts the sweep, which runs until it is aborted.
#[must_use]
pub fn start(service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move { run(&service).await })
}

/// Runs the sweep. Never returns.
///
/// For callers that run tasks themselves; others call [`start`].
pub async fn run(service: &Service) {
    let timer = &service.sweep_timer;
    loop {
        timer.wait_until_due(service.env()).await;
        match sweep(service).await {
            Ok(next) => {
                // Other nodes store messages in a shared store whose expiry is not observed here.
                timer.set_next(if service.is_shared() { next.min(service.now()) } else { next });
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => {
                timer.rescan();
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Settles all messages that have expired by now, for a clock that was advanced.
///
/// # Errors
/// After a [`StoreError`] some may have been settled.
pub async fn expire(service: &Service) -> Result<(), StoreError> {
    let next = settle_expired(service, Duration::ZERO).await?;
    service.sweep_timer.set_next(next);
    Ok(())
}

/// Settles all expired messages, and returns when the next one expires.
async fn sweep(service: &Service) -> Result<Timestamp, StoreError> {
    settle_expired(service, GRACE).await
}

async fn settle_expired(service: &Service, grace: Duration) -> Result<Timestamp, StoreError> {
    loop {
        let due = service.due(service.now().before(grace), SLICE).await?;
        if due.entries.is_empty() {
            return Ok(due.next.unwrap_or(Timestamp::NEVER));
        }
        let ops = due.entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Expired)).collect();
        service.commit(ops, Durability::Durable).await?;
    }
}
