//! A certificate for one run: the server shows it, the load trusts it and nothing else.

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
    /// Makes one for `localhost` and the loopback addresses.
    ///
    /// # Errors
    /// When there is no randomness, or the directory can't be written.
    pub fn generate(directory: &Path) -> anyhow::Result<Self> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).context("no certificate could be made")?;
        let files = Self { certificate: directory.join("certificate.pem"), key: directory.join("key.pem") };
        fs::write(&files.certificate, made.cert.pem())?;
        fs::write(&files.key, made.signing_key.serialize_pem())?;
        Ok(files)
    }
}
