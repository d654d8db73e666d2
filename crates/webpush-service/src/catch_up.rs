//! Makes sessions read again after notices of other nodes were lost.
//!
//! A store that several nodes share says that notices were lost when it was cut off from its database, which happens to all
//! nodes at once if the database fails over. If all sessions read at that moment, the database would be overloaded again.
//! So they are told one after the other, at a bounded rate.

mod requests;

pub(crate) use requests::CatchUp;

use crate::service::Service;
use futures_util::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use webpush_core::id::InboxId;
use webpush_store::StoreError;

/// Inboxes that are checked at the same time.
const BATCH: usize = 32;
/// Pause per inbox: 10,000 connected agents read again within about five seconds.
const PAUSE: Duration = Duration::from_micros(500);
/// Pause after the store failed.
const RETRY: Duration = Duration::from_secs(1);

/// Starts the task for a store that several nodes share, which runs until it is aborted.
#[must_use]
pub fn start(service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move { run(&service).await })
}

/// Runs the task. Never returns.
async fn run(service: &Service) {
    loop {
        service.catch_up.requested().await;
        for shard in 0..service.registry.shard_count() {
            for batch in service.registry.inboxes(shard).chunks(BATCH) {
                // A row that cannot be read stays so; its sessions are told like the others.
                while matches!(check(service, batch).await, Err(StoreError::Unavailable | StoreError::Busy)) {
                    tokio::time::sleep(RETRY).await;
                }
                batch.iter().for_each(|inbox| service.registry.announce_unread(*inbox));
                tokio::time::sleep(PAUSE * u32::try_from(batch.len()).unwrap_or(u32::MAX)).await;
            }
        }
    }
}

/// Ends the sessions of inboxes and subscriptions that were removed meanwhile.
async fn check(service: &Service, inboxes: &[InboxId]) -> Result<(), StoreError> {
    let checks = inboxes.iter().map(|inbox| async move {
        // That of a new agent is created when it subscribes, perhaps during the lookup.
        let has_inbox = service.registry.has_inbox(*inbox);
        if service.inbox(*inbox).await?.is_none() {
            if has_inbox {
                service.registry.end_sessions(*inbox, None);
            }
            return Ok(());
        }
        for subscription in service.registry.subscriptions(*inbox) {
            if service.subscription(*inbox, subscription).await?.is_none() {
                service.registry.end_sessions(*inbox, Some(subscription));
            }
        }
        Ok(())
    });
    try_join_all(checks).await.map(drop)
}
