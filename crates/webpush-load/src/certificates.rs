//! A certificate for one run, which only the load trusts.

use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a certificate.
pub struct Certificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Certificate {
    /// Creates a certificate for `localhost` and the loopback addresses.
    ///
    /// # Errors
    /// If no random bytes are available, or the directory cannot be written.
    pub fn generate(directory: &Path) -> anyhow::Result<Self> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).context("no certificate could be made")?;
        let files = Self { certificate: directory.join("certificate.pem"), key: directory.join("key.pem") };
        fs::write(&files.certificate, made.cert.pem())?;
        fs::write(&files.key, made.signing_key.serialize_pem())?;
        Ok(files)
    }
}
