//! What a service manager is told that has set `NOTIFY_SOCKET` (systemd: `Type=notify` or `notify-reload`, `WatchdogSec=`).
//!
//! A manager that does not read must not hold the service up, so whoever tells it something is a thread that may wait. Only a
//! reload waits for that.

use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use webpush_service::readiness::NotReady;
use webpush_service::service::Service;
use webpush_service::session_registry::Transport;

/// So soon a store that does not answer is asked again whether it does.
const AGAIN: Duration = Duration::from_secs(1);

/// The service is there.
pub fn ready(status: &str) {
    let status = status.to_owned();
    spawn_blocking(move || tell(&[NotifyState::Ready, NotifyState::Status(&status)]));
}

/// The service stops, and takes so long at most.
pub fn stopping(longest: Duration) {
    let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    let status = "stopping: finishing what is under way";
    spawn_blocking(move || {
        tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest), NotifyState::Status(status)]);
    });
}

/// Does something between telling that the configuration is read again and that this is done. For a thread that may wait.
pub fn while_reloading(reload: impl FnOnce()) {
    // Without its time a `notify-reload` service would wait for the answer in vain; the clock of Linux never fails.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => {
            tracing::warn!(%error, "the service manager is not told of the reload: there is no clock")
        }
    }
    reload();
    tell(&[NotifyState::Ready]);
}

/// Tells again and again that the service works, if somebody wants to hear it (`WatchdogSec=`).
pub async fn keep_watchdog(service: Arc<Service>, status: String) {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) else { return };
    let works = || async { is_alive(service.check_readiness().await) };
    let say = || {
        let sessions: u64 = Transport::ALL.iter().map(|way| service.registry.session_count(*way)).sum();
        let status = format!("{status}; {sessions} sessions");
        // A try that waits keeps its thread, and the next one another: a manager reads, or ends the service.
        spawn_blocking(move || tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]));
    };
    watch(patience, works, say).await;
}

async fn watch<Answer: Future<Output = bool>>(
    patience: Duration,
    mut works: impl FnMut() -> Answer,
    mut say: impl FnMut(),
) {
    loop {
        if works().await {
            say();
            sleep(patience / 2).await;
        } else {
            sleep(AGAIN.min(patience / 8)).await;
        }
    }
}

/// Whether a restart would be no help: all works, or what is the matter is known and gets better by itself (a full disk), or
/// the service stops anyhow. What is left is a store of which nothing is heard.
const fn is_alive(ready: Result<(), NotReady>) -> bool {
    match ready {
        Ok(()) | Err(NotReady::Draining | NotReady::StoreDown | NotReady::NoCertificate) => true,
        Err(NotReady::StoreSlow) => false,
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager can't be told how the service does (NOTIFY_SOCKET)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_service_is_vouched_for_while_it_works_only() {
        let start = Instant::now();
        let said = RefCell::new(Vec::new());
        // It hangs from the 45th to the 80th second.
        let works = || async move { !(45..80).contains(&start.elapsed().as_secs()) };
        let watching =
            watch(Duration::from_secs(20), works, || said.borrow_mut().push(start.elapsed().as_secs()));
        assert!(timeout(Duration::from_secs(105), watching).await.is_err());
        assert_eq!(said.into_inner(), [0, 10, 20, 30, 40, 80, 90, 100]);
    }

    #[test]
    fn a_full_disk_is_no_reason_to_end_the_service() {
        assert!(is_alive(Ok(())) && is_alive(Err(NotReady::StoreDown)) && is_alive(Err(NotReady::Draining)));
        assert!(!is_alive(Err(NotReady::StoreSlow)));
    }
}
