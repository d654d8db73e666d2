//! The process, its data directory and its TLS certificate.

use super::exposition::Exposition;
use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::time::Timestamp;

/// Unit of `st_blocks`, in bytes (stat(2)).
const BLOCK_BYTES: u64 = 512;

/// This process.
#[derive(Debug, Default)]
pub struct Process {
    started: Timestamp,
    data_dir: OnceLock<PathBuf>,
    /// Unix timestamp in seconds; 0 without TLS.
    certificate_expiry: AtomicU64,
}

impl Process {
    /// Creates the metrics of a process that started at `started`.
    pub(super) fn new(started: Timestamp) -> Self {
        Self { started, ..Self::default() }
    }

    /// Sets the data directory to measure. Later calls change nothing.
    pub fn set_data_dir(&self, data_dir: &Path) {
        let _ = self.data_dir.set(data_dir.to_owned());
    }

    /// Sets the expiry of the TLS certificate in use, if it has one.
    pub fn set_certificate_expiry(&self, at: Option<Timestamp>) {
        self.certificate_expiry.store(at.map_or(0, |at| at.as_millis() / 1000), Ordering::Relaxed);
    }

    /// Returns the values for the dashboard. Reads files.
    pub fn summary(&self) -> Value {
        let data_dir = self.data_dir.get();
        let disk = data_dir.and_then(|data_dir| rustix::fs::statvfs(data_dir).ok());
        json!({
            "started": self.started.as_millis(),
            "memory_bytes": resident_bytes(),
            "data_bytes": data_dir.map(|data_dir| size_of(data_dir)),
            "free_bytes": disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            "certificate_expires": match self.certificate_expiry.load(Ordering::Relaxed) {
                0 => None,
                at => Some(at.saturating_mul(1000)),
            },
        })
    }

    pub(super) fn encode(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.info("build", "Version of the server.", &[("version", env!("CARGO_PKG_VERSION"))])?;
        let started = self.started.as_millis() as f64 / 1e3;
        out.timestamp("process_start_time", "Start of the process, as a Unix timestamp.", started)?;
        let descriptors = [open_descriptors(), descriptor_limit().map(|limit| limit as u64)];
        if let [Some(open), Some(limit)] = descriptors {
            out.gauge("process_open_fds", "Open file descriptors.", open)?;
            out.gauge("process_max_fds", "Maximum number of open file descriptors.", limit)?;
        }
        if let Some(bytes) = resident_bytes() {
            out.bytes("process_resident_memory", "Resident memory of the process.", bytes)?;
        }
        if let Some(data_dir) = self.data_dir.get() {
            out.bytes(
                "data_size",
                "Disk space that the files in the data directory occupy.",
                size_of(data_dir),
            )?;
            if let Ok(disk) = rustix::fs::statvfs(data_dir) {
                let available = disk.f_bavail.saturating_mul(disk.f_frsize);
                out.bytes(
                    "data_available",
                    "Free space on the file system of the data directory.",
                    available,
                )?;
            }
        }
        match self.certificate_expiry.load(Ordering::Relaxed) {
            0 => Ok(()),
            at => out.timestamp(
                "tls_certificate_expiry_timestamp",
                "Expiry of the TLS certificate in use, as a Unix timestamp.",
                at as f64,
            ),
        }
    }
}

/// Returns the limit of open file descriptors, or `None` if there is none.
#[must_use]
pub fn descriptor_limit() -> Option<usize> {
    getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Returns a size in `/proc/self/status`, such as `VmRSS:` (proc(5)).
pub(crate) fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Returns the allocated size of all files in a directory. Files removed meanwhile count as empty.
fn size_of(directory: &Path) -> u64 {
    let Ok(files) = fs::read_dir(directory) else { return 0 };
    let size = |file: fs::DirEntry| match file.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&file.path()),
        // Files of the engine are created longer than they are.
        Ok(metadata) => metadata.blocks() * BLOCK_BYTES,
        Err(_) => 0,
    };
    files.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_and_memory_are_read_from_proc() {
        assert!(open_descriptors().unwrap() > 2);
        assert!(resident_bytes().unwrap() > 100_000);
    }

    /// E7: the engine creates files of 64 MiB that are mostly holes.
    #[test]
    fn the_size_of_a_directory_is_the_space_that_its_files_occupy() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/data"), vec![7; 100_000]).unwrap();
        let sparse = fs::File::create(directory.path().join("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        fs::File::open(directory.path().join("sub/data")).unwrap().sync_all().unwrap();
        let size = size_of(directory.path());
        assert!((100_000..1 << 20).contains(&size), "{size}");
        assert_eq!(size_of(&directory.path().join("missing")), 0);
    }
}
