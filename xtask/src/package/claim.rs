//! A lock, so that one package test runs on a machine at a time, and cleans up after others.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::deb;

/// Exists while a test is running, and after one that was killed.
const MARKER: &str = "/var/tmp/webpush-package-test";

/// The right to install and purge the package on this machine.
pub(super) struct Claim {
    /// Holds the lock on the marker.
    _marker: File,
}

impl Claim {
    /// Claims the machine, and removes what an interrupted test left on it.
    ///
    /// Without the marker nothing is removed: the package was then installed by other means.
    pub(super) fn of_this_machine() -> Result<Self> {
        let interrupted = Path::new(MARKER).exists();
        let marker = File::options().create(true).truncate(false).write(true).open(MARKER).context(MARKER)?;
        match marker.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another `cargo xtask package` is running on this machine; wait until it has ended")
            }
            Err(TryLockError::Error(error)) => return Err(error).context(MARKER),
        }
        if interrupted {
            println!("removing what an interrupted test of the package left on this machine");
            deb::tidy_up();
        }
        Ok(Self { _marker: marker })
    }
}

impl Drop for Claim {
    /// Removes the marker: the owner of a claim has removed the package, or never installed it.
    fn drop(&mut self) {
        let _ = fs::remove_file(MARKER);
    }
}
