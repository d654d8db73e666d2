//! TLS 1.2 and 1.3 (RFC 8030 §3, RFC 9325).
//!
//! `h2` is preferred to `http/1.1`. There is no early data, as sends are not idempotent (RFC 8470).

mod pkcs12;

use crate::transport::certificate::Certificate;
use anyhow::{Context as _, anyhow, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
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
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = protocols;
    config.max_early_data_size = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
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
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| {
        match (&error, identity) {
            (rustls::Error::InconsistentKeys(_), Identity::Pem { key, cert }) => {
                anyhow!("the private key {} does not match the certificate {}", key.display(), cert.display())
            }
            _ => anyhow::Error::new(error)
                .context(format!("cannot use the certificate and key {}", identity.names())),
        }
    })
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
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let chain = read().with_context(|| format!("cannot read the certificate file {}", path.display()))?;
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
    use rustls::pki_types::pem::Error;
    match PrivateKeyDer::from_pem_file(path) {
        Ok(key) => Ok(key),
        Err(Error::NoItemsFound) => bail!(
            "{} has no private key: expected a PEM file with 'BEGIN PRIVATE KEY' (--key is the private key, \
             --cert the certificate)",
            path.display()
        ),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the private key file {}", path.display()))
        }
    }
}
