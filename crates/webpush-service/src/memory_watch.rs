//! Measures the memory of the process, and compares it with its limit.

mod machine;

pub use machine::{default_limit, resident_bytes};

use crate::memory_budget::MemoryLimit;
use crate::service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use webpush_core::env::MonotonicTime;

/// Interval between measurements. Requests only load a flag.
const INTERVAL: Duration = Duration::from_millis(100);

/// Minimum time between two log messages, since memory may be low again and again.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Measures the memory with `gauge` until aborted, or until it cannot be measured.
///
/// Returns the task to abort at shutdown.
#[must_use]
pub fn start(
    service: Arc<Service>,
    gauge: impl FnMut() -> Option<u64> + Send + 'static,
    share: Option<u64>,
) -> JoinHandle<()> {
    tokio::spawn(run(service, gauge, share))
}

async fn run(service: Arc<Service>, mut gauge: impl FnMut() -> Option<u64>, share: Option<u64>) {
    let mut logged: Option<MonotonicTime> = None;
    while let Some(used) = gauge() {
        let limit = match service.limits.load().memory {
            MemoryLimit::Share => share,
            MemoryLimit::Off => None,
            MemoryLimit::At(bytes) => Some(bytes),
        };
        let now = service.monotonic();
        let is_due = logged.is_none_or(|logged| now.since(logged) >= LOG_PAUSE);
        if service.memory.record(used, limit) && is_due {
            logged = Some(now);
            report(service.memory.is_low(), used, limit.unwrap_or(0));
        }
        sleep(INTERVAL).await;
    }
    tracing::warn!("cannot measure the memory of the process: limits.memory has no effect");
}

fn report(is_low: bool, used: u64, limit: u64) {
    if is_low {
        tracing::warn!(
            used,
            limit,
            "memory is low (limits.memory): refusing new messages, subscriptions and sessions with 503"
        );
    } else {
        tracing::info!(used, limit, "memory is no longer low");
    }
}
