//! The files with the certificate of the authority, for clients.

use crate::authority::TestAuthority;
use crate::java_trust_store::trust_store;
use anyhow::{Context as _, bail};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use webpush_core::env::Entropy as _;
use webpush_service::system::SystemEntropy;

const NAME: &str = "ca.pem";
/// The trust store of Java.
const TRUST_STORE: &str = "ca.p12";

/// Written files. Those in a temporary directory are removed when dropped.
pub(crate) struct CaFile {
    path: PathBuf,
    java_trust_store: PathBuf,
    directory: PathBuf,
}

impl CaFile {
    /// Writes the certificate to a path, or to a new directory of its own, where the trust store always is.
    pub(crate) fn write(path: Option<&Path>, authority: &TestAuthority) -> anyhow::Result<Self> {
        let directory = private_directory()?;
        let own_path = directory.join(NAME);
        let path = path.map_or(Ok(own_path), std::path::absolute)?;
        let file = Self { path, java_trust_store: directory.join(TRUST_STORE), directory };
        if fs::metadata(&file.path).is_ok_and(|metadata| !metadata.is_file()) {
            bail!("{} is not a regular file (--ca-file)", file.path.display());
        }
        write(&file.path, authority.ca_pem().as_bytes())?;
        write(&file.java_trust_store, &trust_store(authority.ca_der()))?;
        Ok(file)
    }

    pub(crate) fn java_trust_store(&self) -> &Path {
        &self.java_trust_store
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // The server is ending, and nothing in it is secret.
        let _ = fs::remove_dir_all(&self.directory);
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
    let directory = std::path::absolute(std::env::temp_dir())?.join(format!("webpush-server-dev-{name}"));
    DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .with_context(|| format!("cannot create {} for the certificate", directory.display()))?;
    Ok(directory)
}
