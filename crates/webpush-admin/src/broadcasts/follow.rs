//! Reads the versions that other nodes have set.

use super::sources::BroadcastSources;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use webpush_service::service::Service;

/// How often every node reads the versions.
const INTERVAL: Duration = Duration::from_secs(3);

/// Starts the task that notifies agents of versions set through other nodes.
///
/// It runs until it is aborted.
#[must_use]
pub fn follow(sources: Arc<Mutex<BroadcastSources>>, service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            sleep(INTERVAL).await;
            let (sources, service) = (Arc::clone(&sources), Arc::clone(&service));
            let reading = spawn_blocking(move || {
                let mut sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
                // The store reports its outages.
                if sources.refresh().is_ok() {
                    service.set_broadcasts(sources.effective());
                }
            });
            // Fails only if the runtime ends.
            drop(reading.await);
        }
    })
}
