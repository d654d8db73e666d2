//! Ends messages whose TTL has run out (RFC 8030 §5.2): a timer at the next deadline, no scan.

mod timer;

pub use timer::SweepTimer;

use crate::service::Service;
use std::time::Duration;
use webpush_core::message::Outcome;
use webpush_core::time::Timestamp;
use webpush_store::{Durability, Op, StoreError};

/// Expired messages settled in one transaction, so that sweeping never holds up a push for long.
const SLICE: usize = 500;
/// How long after its TTL a message is ended. It is not delivered any more, but an acknowledgement that was on its way
/// still counts. With [`PAUSE`] this keeps a receipt for an expired message within two seconds.
const GRACE: Duration = Duration::from_secs(1);
/// The shortest time between two sweeps: messages that expire close together go together.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a sweep waits after the store could not be reached.
const RETRY: Duration = Duration::from_secs(5);

const _: () = assert!(
    GRACE.as_millis() + PAUSE.as_millis() < 2000,
    "the receipt of an expired message is due within two seconds"
);

/// Sweeps until it is dropped.
pub async fn run(service: &Service) {
    let timer = &service.sweep_timer;
    loop {
        timer.wait_until_due(service.env()).await;
        match sweep(service).await {
            Ok(next) => {
                timer.set_next(next);
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => {
                timer.rescan();
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Settles everything that has expired; says when the next one will.
async fn sweep(service: &Service) -> Result<Timestamp, StoreError> {
    loop {
        let due = service.due(service.now().before(GRACE), SLICE).await?;
        if due.entries.is_empty() {
            return Ok(due.next.unwrap_or(Timestamp::NEVER));
        }
        let ops = due.entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Expired)).collect();
        service.commit(ops, Durability::Durable).await?;
    }
}
