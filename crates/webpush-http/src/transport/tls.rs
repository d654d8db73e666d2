//! TLS 1.2 and 1.3 (RFC 8030 §3, RFC 9325).
//!
//! `h2` is preferred to `http/1.1`. There is no early data, as sends are not idempotent (RFC 8470).

mod pkcs12;

use crate::transport::certificate::Certificate;
use crate::transport::tls_stream::TlsAcceptor;
use anyhow::{anyhow, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use webpush_client::pem::{self, PemError};
use webpush_service::secret::Secret;

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// PEM files: the key, and the certificate with its chain.
    Pem {
        /// The private key.
        key: PathBuf,
        /// The certificate, then the ones that signed it.
        cert: PathBuf,
    },
    /// One PKCS#12 file with all of them.
    Pfx {
        /// The file.
        file: PathBuf,
        /// Its password.
        password: Password,
    },
}

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// The password is empty.
    None,
    /// In a file.
    File(PathBuf),
    /// In the configuration.
    Given(Secret),
}

/// Creates an acceptor for a certificate.
///
/// # Errors
///
/// If the cryptography provider lacks TLS 1.2 or 1.3.
pub fn acceptor(certificate: Arc<Certificate>) -> anyhow::Result<TlsAcceptor> {
    let protocols = certificate.protocols();
    acceptor_for(certificate, protocols)
}

/// Creates an acceptor for MCS, whose clients negotiate no protocol.
///
/// # Errors
///
/// If the cryptography provider lacks TLS 1.2 or 1.3.
pub fn mcs_acceptor(certificate: Arc<Certificate>) -> anyhow::Result<TlsAcceptor> {
    acceptor_for(certificate, Vec::new())
}

fn acceptor_for(certificate: Arc<Certificate>, protocols: Vec<Vec<u8>>) -> anyhow::Result<TlsAcceptor> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = protocols;
    config.max_early_data_size = 0;
    Ok(TlsAcceptor::new(Arc::new(config)))
}

/// Reads an identity.
///
/// # Errors
///
/// If a file cannot be read or has no key or certificate, or the two do not match.
pub fn load(identity: &Identity) -> anyhow::Result<CertifiedKey> {
    let (chain, key) = match identity {
        Identity::Pem { key, cert } => (read_chain(cert)?, read_key(key)?),
        Identity::Pfx { file, password } => pkcs12::read(file, password)?,
    };
    certified(chain, &key).map_err(|error| match (&error, identity) {
        (rustls::Error::InconsistentKeys(_), Identity::Pem { key, cert }) => anyhow!(
            "the private key {} does not match the certificate {}: create both together, or name the key that the \
             certificate was created for (--key)",
            key.display(),
            cert.display()
        ),
        _ => anyhow::Error::new(error)
            .context(format!("cannot use the certificate and key {}", identity.names())),
    })
}

/// Joins a chain and the key of its first certificate, or of another one, which then becomes the first.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let provider = aws_lc_rs::default_provider();
    let join = |chain| CertifiedKey::from_der(chain, key.clone_key(), &provider);
    let own_first = |own: usize| {
        let mut chain = chain.clone();
        let certificate = chain.remove(own);
        chain.insert(0, certificate);
        chain
    };
    match join(chain.clone()) {
        Err(error @ rustls::Error::InconsistentKeys(_)) => {
            (1..chain.len()).find_map(|own| join(own_first(own)).ok()).ok_or(error)
        }
        joined => joined,
    }
}

impl Identity {
    fn names(&self) -> String {
        match self {
            Self::Pem { key, cert } => format!("in {} and {}", cert.display(), key.display()),
            Self::Pfx { file, .. } => format!("in {}", file.display()),
        }
    }
}

fn read_chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = pem::certificates(path).map_err(|error| unusable("certificate", path, error))?;
    if chain.is_empty() {
        bail!(
            "{} has no certificate: expected a PEM file with 'BEGIN CERTIFICATE' (--cert is the certificate, \
             --key the private key)",
            path.display()
        );
    }
    Ok(chain)
}

fn read_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    match pem::private_key(path) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => bail!(
            "{} has no private key: expected a PEM file with 'BEGIN PRIVATE KEY' (--key is the private key, \
             --cert the certificate)",
            path.display()
        ),
        Err(error) => Err(unusable("private key", path, error)),
    }
}

fn unusable(what: &str, path: &Path, error: PemError) -> anyhow::Error {
    match error {
        PemError::Read(error) => {
            anyhow::Error::new(error).context(format!("cannot read the {what} file {}", path.display()))
        }
        error => anyhow::Error::new(error).context(format!("the {what} file {}", path.display())),
    }
}

#[cfg(test)]
mod tests;
