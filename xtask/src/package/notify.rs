//! The notification socket of systemd.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Time limit for a state.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct NotifySocket {
    socket: UnixDatagram,
    pub(super) path: PathBuf,
}

impl NotifySocket {
    pub(super) fn bind(directory: &Path) -> Result<Self> {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path).with_context(|| format!("cannot bind {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        Ok(Self { socket, path })
    }

    /// Waits for a state such as `READY=1`; others are passed over.
    pub(super) fn wait_for(&self, state: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the service did not say {state} to systemd, only {seen:?}");
            }
            self.socket.set_read_timeout(Some(left))?;
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if said.lines().any(|line| line == state) {
                return Ok(());
            }
            seen.push(said);
        }
    }
}
