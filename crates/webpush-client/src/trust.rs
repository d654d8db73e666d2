//! Trusted certificates for `https`: those of the system and of a file.

use crate::pem::{self, PemError};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The trusted certificates cannot be loaded.
#[derive(Debug)]
pub enum TrustError {
    /// The system has no trusted certificates, and no file was given.
    NoRoots,
    /// The file cannot be used.
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: PemError,
    },
    /// The file has no certificate.
    Empty(PathBuf),
    /// TLS cannot be set up, or a certificate of the file cannot be used.
    Tls(rustls::Error),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoots => f.write_str(
                "this system has no trusted certificates: install them (often the package ca-certificates), or \
                 name a PEM file of CA certificates",
            ),
            Self::File { path, source } => write!(f, "the file of CA certificates {} {source}", path.display()),
            Self::Empty(path) => write!(f, "{} contains no certificate (expected PEM)", path.display()),
            Self::Tls(_) => f.write_str("cannot set up TLS"),
        }
    }
}

impl Error for TrustError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { source, .. } => source.source(),
            Self::Tls(error) => Some(error),
            Self::NoRoots | Self::Empty(_) => None,
        }
    }
}

/// Creates a TLS configuration that offers these protocols by ALPN, the preferred one first.
///
/// # Errors
/// [`TrustError`].
pub fn tls_config(ca_file: Option<&Path>, protocols: &[&[u8]]) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    // Invalid certificates in the store of a system are common, and ignored.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TrustError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let unusable = |source| TrustError::File { path: path.to_owned(), source };
    let certificates = pem::certificates(path).map_err(unusable)?;
    if certificates.is_empty() {
        return Err(TrustError::Empty(path.to_owned()));
    }
    certificates.into_iter().try_for_each(|certificate| roots.add(certificate).map_err(TrustError::Tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_must_hold_certificates() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let error = tls_config(Some(&path), &[]).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
        std::fs::write(&path, "no PEM").unwrap();
        assert!(matches!(tls_config(Some(&path), &[]), Err(TrustError::Empty(_))));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert_eq!(tls_config(Some(&path), &[b"h2"]).unwrap().alpn_protocols, [b"h2"]);
    }
}
