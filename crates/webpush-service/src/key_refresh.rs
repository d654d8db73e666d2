//! Reads the sealing keys that other nodes have added.

use crate::service::Service;
use crate::shared_keys::INTERVAL;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Starts the task for keys in a database, which runs until it is aborted.
#[must_use]
pub fn start(service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            sleep(INTERVAL).await;
            // A failure is logged. Requests with an unknown key fail until a read succeeds.
            let _ = service.refresh_keys(INTERVAL / 2).await;
        }
    })
}
