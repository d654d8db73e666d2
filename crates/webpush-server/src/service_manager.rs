//! Notifications to a service manager that sets `NOTIFY_SOCKET`.
//!
//! In units of systemd: `Type=notify` or `notify-reload`, and `WatchdogSec=`.
//!
//! The manager may be slow to read, so notifications are sent from blocking threads. Only a reload waits for them.

use sd_notify::NotifyState;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use webpush_service::readiness::NotReady;
use webpush_service::service::Service;
use webpush_service::session_registry::TransportKind;

/// Interval between checks of a store that does not respond.
const RETRY: Duration = Duration::from_secs(1);

/// Notifies the manager that the server is ready.
pub fn ready(status: &str) {
    let status = status.to_owned();
    spawn_blocking(move || notify(&[NotifyState::Ready, NotifyState::Status(&status)]));
}

/// Notifies the manager of shutdown, and extends its stop timeout to `longest`.
pub fn stopping(longest: Duration) {
    let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    let status = "shutting down gracefully";
    spawn_blocking(move || {
        notify(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(longest),
            NotifyState::Status(status),
        ]);
    });
}

/// Runs `reload` between the notifications of its start and its end. Blocks.
pub fn while_reloading(reload: impl FnOnce()) {
    // `notify-reload` requires the timestamp.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => {
            tracing::warn!(%error, "cannot notify the service manager of the reload: no monotonic clock");
        }
    }
    reload();
    notify(&[NotifyState::Ready]);
}

/// Keeps the watchdog of the manager (`WatchdogSec=`) from expiring while the store responds.
pub async fn keep_watchdog(service: Arc<Service>, status: String) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else { return };
    let is_shared = service.is_shared();
    let is_alive = || async { needs_no_restart(is_shared, service.check_readiness().await) };
    let report = || {
        let sessions: u64 =
            TransportKind::ALL.iter().map(|transport| service.registry.session_count(*transport)).sum();
        let status = format!("{status}; {sessions} sessions");
        spawn_blocking(move || notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]));
    };
    watch(limit, is_alive, report).await;
}

async fn watch<Answer: Future<Output = bool>>(
    limit: Duration,
    mut is_alive: impl FnMut() -> Answer,
    mut report: impl FnMut(),
) {
    loop {
        if is_alive().await {
            report();
            sleep(limit / 2).await;
        } else {
            sleep(RETRY.min(limit / 8)).await;
        }
    }
}

/// Returns false only if the store in the data directory does not respond.
///
/// A restart would not help against a full disk, a missing certificate, or a database that is down.
const fn needs_no_restart(is_shared: bool, ready: Result<(), NotReady>) -> bool {
    match ready {
        Ok(()) | Err(NotReady::Draining | NotReady::StoreDown | NotReady::NoCertificate) => true,
        Err(NotReady::StoreSlow) => is_shared,
    }
}

fn notify(state: &[NotifyState<'_>]) {
    let socket = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    let sent = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => notify_abstract(name, state),
        None => sd_notify::notify(state),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot notify the service manager (NOTIFY_SOCKET)");
    }
}

/// Notifies a socket in the abstract namespace (unix(7)), which `sd_notify` takes for a path.
fn notify_abstract(name: &[u8], state: &[NotifyState<'_>]) -> io::Result<()> {
    let message: String = state.iter().map(|state| format!("{state}\n")).collect();
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    socket.send(message.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_kept_only_while_the_server_is_alive() {
        let start = Instant::now();
        let reports = RefCell::new(Vec::new());
        // Hangs from the 45th to the 80th second.
        let is_alive = || async move { !(45..80).contains(&start.elapsed().as_secs()) };
        let watching =
            watch(Duration::from_secs(20), is_alive, || reports.borrow_mut().push(start.elapsed().as_secs()));
        assert!(timeout(Duration::from_secs(105), watching).await.is_err());
        assert_eq!(reports.into_inner(), [0, 10, 20, 30, 40, 80, 90, 100]);
    }

    /// D: `NOTIFY_SOCKET=@...` was taken for a path.
    #[test]
    fn a_socket_in_the_abstract_namespace_is_notified() {
        let name = format!("webpush-server-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        notify_abstract(name.as_bytes(), &[NotifyState::Ready, NotifyState::Status("serves")]).unwrap();
        let mut message = [0; 64];
        let length = manager.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1\nSTATUS=serves\n");
    }

    #[test]
    fn a_full_disk_is_no_reason_for_a_restart() {
        for ready in [Ok(()), Err(NotReady::StoreDown), Err(NotReady::Draining)] {
            assert!(needs_no_restart(false, ready) && needs_no_restart(true, ready));
        }
        assert!(!needs_no_restart(false, Err(NotReady::StoreSlow)));
        assert!(needs_no_restart(true, Err(NotReady::StoreSlow)), "agents must stay connected");
    }
}
