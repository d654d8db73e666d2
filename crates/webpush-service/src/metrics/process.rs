//! The process, the folder it writes to, and the certificate it shows.

use super::exposition::Exposition;
use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::time::Timestamp;

/// This process.
#[derive(Debug, Default)]
pub struct Process {
    started: Timestamp,
    data_dir: OnceLock<PathBuf>,
    /// In seconds since 1970-01-01 UTC; 0 without TLS.
    certificate_expires: AtomicU64,
}

impl Process {
    /// Creates the metrics of a process that started at `started`.
    pub(super) fn new(started: Timestamp) -> Self {
        Self { started, ..Self::default() }
    }

    /// Says where the data is.
    pub fn set_data_dir(&self, data_dir: &Path) {
        // The first word counts: a process has one data folder.
        let _ = self.data_dir.set(data_dir.to_owned());
    }

    /// Says until when the certificate is good that is shown from now on, if there is one and it says so.
    pub fn set_certificate_expiry(&self, at: Option<Timestamp>) {
        self.certificate_expires.store(at.map_or(0, |at| at.as_millis() / 1000), Ordering::Relaxed);
    }

    /// What it takes, and since when.
    pub fn summary(&self) -> Value {
        let folder = self.data_dir.get();
        let disk = folder.and_then(|folder| rustix::fs::statvfs(folder).ok());
        json!({
            "started": self.started.as_millis(),
            "memory_bytes": resident_bytes(),
            "data_bytes": folder.map(|folder| size_of(folder)),
            "free_bytes": disk.map(|found| found.f_bavail.saturating_mul(found.f_frsize)),
            "certificate_expires": match self.certificate_expires.load(Ordering::Relaxed) {
                0 => None,
                at => Some(at.saturating_mul(1000)),
            },
        })
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.info("build", "What runs here.", &[("version", env!("CARGO_PKG_VERSION"))])?;
        let started = self.started.as_millis() as f64 / 1e3;
        out.timestamp(
            "process_start_time",
            "When the process was started, in seconds since 1970-01-01 UTC.",
            started,
        )?;
        let descriptors = [open_descriptors(), descriptor_limit().map(|limit| limit as u64)];
        if let [Some(open), Some(limit)] = descriptors {
            out.gauge("process_open_fds", "File descriptors that are open.", open)?;
            out.gauge("process_max_fds", "File descriptors that may be open.", limit)?;
        }
        if let Some(bytes) = resident_bytes() {
            out.bytes("process_resident_memory", "Memory that the process takes.", bytes)?;
        }
        if let Some(folder) = self.data_dir.get() {
            out.bytes("data_size", "What the files in the data folder take.", size_of(folder))?;
            if let Ok(found) = rustix::fs::statvfs(folder) {
                let available = found.f_bavail.saturating_mul(found.f_frsize);
                out.bytes("data_available", "What is free where the data folder is.", available)?;
            }
        }
        match self.certificate_expires.load(Ordering::Relaxed) {
            0 => Ok(()),
            at => out.timestamp(
                "tls_certificate_expiry_timestamp",
                "Until when the TLS certificate is good that is shown now, in seconds since 1970-01-01 UTC.",
                at as f64,
            ),
        }
    }
}

/// Returns how many file descriptors this process may have open; `None` if there is no limit.
#[must_use]
pub fn descriptor_limit() -> Option<usize> {
    getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Files that go while they are counted count nothing.
fn size_of(folder: &Path) -> u64 {
    let Ok(files) = fs::read_dir(folder) else { return 0 };
    let size = |file: fs::DirEntry| match file.metadata() {
        Ok(found) if found.is_dir() => size_of(&file.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    files.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_says_what_a_process_takes() {
        assert!(open_descriptors().unwrap() > 2);
        assert!(resident_bytes().unwrap() > 100_000);
    }

    #[test]
    fn a_folder_is_as_large_as_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("a"), "12345").unwrap();
        fs::write(folder.path().join("inner/b"), "123").unwrap();
        assert_eq!(size_of(folder.path()), 8);
    }
}
