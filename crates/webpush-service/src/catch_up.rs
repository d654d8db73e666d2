//! Makes sessions read again after notices of other nodes were lost.
//!
//! A store that several nodes share says that notices were lost when it was cut off from its database, which happens to all
//! nodes at once if the database fails over. If all sessions read at that moment, the database would be overloaded again.
//! So they are told one after the other, at a bounded rate.

mod requests;

pub(crate) use requests::CatchUp;

use crate::service::Service;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use webpush_core::id::InboxId;
use webpush_store::StoreError;

/// Inboxes that are checked at the same time.
const BATCH: usize = 32;
/// Pause per inbox: 10,000 connected agents read again within about five seconds.
const PAUSE: Duration = Duration::from_micros(500);
/// Time of one check. A database that does not respond must not hold up those of another one.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause after the store failed.
const RETRY: Duration = Duration::from_secs(1);

/// Starts the task for a store that several nodes share, which runs until it is aborted.
#[must_use]
pub fn start(service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move { run(&service).await })
}

/// Runs the task. Never returns.
///
/// For callers that run tasks themselves; others call [`start`].
pub async fn run(service: &Service) {
    let mut postponed = Vec::new();
    loop {
        let is_requested = if postponed.is_empty() {
            service.catch_up.requested().await;
            true
        } else {
            timeout(RETRY, service.catch_up.requested()).await.is_ok()
        };
        if is_requested {
            postponed.clear();
            for shard in 0..service.registry.shard_count() {
                postponed.extend(tell(service, &service.registry.inboxes(shard)).await);
            }
        } else {
            postponed = tell(service, &postponed).await;
        }
    }
}

/// Tells the sessions of inboxes to read; returns the inboxes that cannot be read now.
///
/// They may be in a database that is down, while those of another one are not.
async fn tell(service: &Service, inboxes: &[InboxId]) -> Vec<InboxId> {
    let mut postponed = Vec::new();
    for batch in inboxes.chunks(BATCH) {
        let checks = batch.iter().map(|inbox| async {
            let checked = timeout(CHECK_TIMEOUT, check(service, *inbox)).await;
            (*inbox, checked.unwrap_or(Err(StoreError::Unavailable)))
        });
        let mut told = 0;
        for (inbox, result) in join_all(checks).await {
            // A row that cannot be read stays so; its sessions are told like the others.
            if matches!(result, Err(StoreError::Unavailable | StoreError::Busy)) {
                postponed.push(inbox);
            } else {
                service.registry.announce_unread(inbox);
                told += 1;
            }
        }
        tokio::time::sleep(if told == 0 { RETRY } else { PAUSE * told }).await;
    }
    postponed
}

/// Ends the sessions of an inbox and of subscriptions that were removed meanwhile.
async fn check(service: &Service, inbox: InboxId) -> Result<(), StoreError> {
    // That of a new agent is created when it subscribes, perhaps during the lookup.
    let has_inbox = service.registry.has_inbox(inbox);
    if service.inbox(inbox).await?.is_none() {
        if has_inbox {
            service.registry.end_sessions(inbox, None);
        }
        return Ok(());
    }
    for subscription in service.registry.subscriptions(inbox) {
        if service.subscription(inbox, subscription).await?.is_none() {
            service.registry.end_sessions(inbox, Some(subscription));
        }
    }
    Ok(())
}
