//! A certificate from files, which is loaded again when they change.

use rustls::sign::CertifiedKey;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use webpush_http::transport::certificate::{self, Certificate};
use webpush_http::transport::tls::{self, Identity};
use webpush_service::service::Service;

/// Interval between looks at the files.
const LOOK: Duration = Duration::from_secs(5);

/// The certificate of new handshakes, and the files it is from.
pub struct CertificateFiles {
    certificate: Arc<Certificate>,
    service: Arc<Service>,
    state: Mutex<State>,
}

/// A certificate, with the versions of its files from before they were read.
pub struct Loaded {
    /// The files.
    pub identity: Identity,
    /// The certificate in them.
    pub certificate: CertifiedKey,
    versions: FileVersions,
}

struct State {
    identity: Identity,
    versions: FileVersionLog,
}

/// Decides when changed files are loaded.
struct FileVersionLog {
    /// Loaded, or found to be unusable.
    loaded: FileVersions,
    seen: FileVersions,
}

/// Device, inode, size and time of modification, one of which changes with the file.
type FileVersion = Option<(u64, u64, u64, i64, i64)>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct FileVersions(Vec<FileVersion>);

impl Loaded {
    /// Loads the certificate in these files.
    ///
    /// # Errors
    /// Fails if it cannot be used.
    pub fn load(identity: &Identity) -> anyhow::Result<Self> {
        let versions = FileVersions::read(identity);
        Ok(Self { identity: identity.clone(), certificate: tls::load(identity)?, versions })
    }
}

impl CertificateFiles {
    /// Follows the files of a certificate that is in use.
    #[must_use]
    pub fn new(certificate: Arc<Certificate>, loaded: Loaded, service: Arc<Service>) -> Self {
        service.metrics.process.set_certificate_expiry(certificate::expiry(&loaded.certificate));
        let Loaded { identity, versions, .. } = loaded;
        let state = State { identity, versions: FileVersionLog { loaded: versions.clone(), seen: versions } };
        Self { certificate, service, state: Mutex::new(state) }
    }

    /// Uses another certificate for new handshakes, and follows its files.
    pub fn replace(&self, loaded: Loaded) {
        let Loaded { identity, certificate, versions } = loaded;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.service.metrics.process.set_certificate_expiry(certificate::expiry(&certificate));
        self.certificate.replace(certificate);
        *state = State { identity, versions: FileVersionLog { loaded: versions.clone(), seen: versions } };
    }

    /// Looks at the files from time to time, and loads them when they have changed.
    pub fn watch(self: Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                sleep(LOOK).await;
                let files = Arc::clone(&self);
                // It panics or is cancelled only at shutdown.
                let _ = spawn_blocking(move || files.look()).await;
            }
        })
    }

    fn look(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let current = FileVersions::read(&state.identity);
        if !state.versions.is_new(current) {
            return;
        }
        match tls::load(&state.identity) {
            Ok(loaded) => {
                self.service.metrics.process.set_certificate_expiry(certificate::expiry(&loaded));
                self.certificate.replace(loaded);
                tracing::info!("certificate loaded again, because its files have changed");
            }
            Err(error) => tracing::error!(
                "the files of the certificate have changed and cannot be used, so the previous one stays in use: {error:#}"
            ),
        }
    }
}

impl FileVersionLog {
    /// Returns true if the files have changed, and no longer change.
    ///
    /// The program that renews them may write one after the other.
    fn is_new(&mut self, current: FileVersions) -> bool {
        let is_stable = self.seen == current;
        self.seen.clone_from(&current);
        let is_new = is_stable && self.loaded != current;
        if is_new {
            self.loaded = current;
        }
        is_new
    }
}

impl FileVersions {
    fn read(identity: &Identity) -> Self {
        let version = |path: &Path| {
            let data = fs::metadata(path).ok()?;
            Some((data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
        };
        Self(match identity {
            Identity::Pem { key, cert } => vec![version(key), version(cert)],
            Identity::Pfx { file, .. } => vec![version(file)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D: renewed certificates needed a signal.
    #[test]
    fn changed_files_are_loaded_once_they_no_longer_change() {
        let versions = |key, cert| FileVersions(vec![Some((0, key, 0, 0, 0)), Some((0, cert, 0, 0, 0))]);
        let mut log = FileVersionLog { loaded: versions(1, 1), seen: versions(1, 1) };
        for (current, is_new) in [
            (versions(1, 1), false),
            (versions(2, 1), false),
            (versions(2, 2), false),
            (versions(2, 2), true),
            (versions(2, 2), false),
            (versions(2, 3), false),
            (versions(2, 2), false),
            (versions(2, 2), false),
        ] {
            assert_eq!(log.is_new(current.clone()), is_new, "{current:?}");
        }
    }

    #[test]
    fn a_file_that_is_replaced_or_written_has_another_version() {
        let directory = tempfile::tempdir().unwrap();
        let [key, cert] = ["key.pem", "cert.pem"].map(|name| directory.path().join(name));
        let identity = Identity::Pem { key: key.clone(), cert: cert.clone() };
        let missing = FileVersions::read(&identity);
        fs::write(&key, "key").unwrap();
        fs::write(&cert, "cert").unwrap();
        let first = FileVersions::read(&identity);
        assert_ne!(first, missing);
        fs::write(&cert, "longer").unwrap();
        let written = FileVersions::read(&identity);
        assert_ne!(written, first);
        fs::write(directory.path().join("new"), "longer").unwrap();
        fs::rename(directory.path().join("new"), &cert).unwrap();
        assert_ne!(FileVersions::read(&identity), written);
    }
}
