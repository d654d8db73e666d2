//! The files with the certificate of the authority, for clients.

use crate::authority::TestAuthority;
use crate::java_trust_store::trust_store;
use anyhow::Context as _;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use webpush_core::env::Entropy as _;
use webpush_service::system::SystemEntropy;

const NAME: &str = "ca.pem";
/// The extension of the trust store of Java, beside the certificate.
const TRUST_STORE: &str = "p12";

/// Written files. Those in a temporary directory are removed when dropped.
pub(super) struct CaFile {
    path: PathBuf,
    java_trust_store: PathBuf,
    directory: Option<PathBuf>,
}

impl CaFile {
    /// Writes the certificate to a path, or to a new directory of its own, and the trust store beside it.
    pub(super) fn write(path: Option<&Path>, authority: &TestAuthority) -> anyhow::Result<Self> {
        let (path, directory) = match path {
            Some(path) => (std::path::absolute(path)?, None),
            None => {
                let directory = private_directory()?;
                (directory.join(NAME), Some(directory))
            }
        };
        let java_trust_store = path.with_extension(TRUST_STORE);
        let file = Self { path, java_trust_store, directory };
        write(&file.path, authority.ca_pem().as_bytes())?;
        write(&file.java_trust_store, &trust_store(authority.ca_der()))?;
        Ok(file)
    }

    pub(super) fn java_trust_store(&self) -> &Path {
        &self.java_trust_store
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            // The server is ending, and nothing in it is secret.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {} (--ca-file)", path.display()))
}

/// Creates a directory that nobody else can write to.
fn private_directory() -> anyhow::Result<PathBuf> {
    let mut random = [0; 8];
    SystemEntropy.fill(&mut random)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let directory = std::env::temp_dir().join(format!("webpush-server-dev-{name}"));
    DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .with_context(|| format!("cannot create {} for the certificate", directory.display()))?;
    Ok(directory)
}
