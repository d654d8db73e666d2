//! Whom to trust for `https`: the system's roots, and those of a file.

use super::error::ClientError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The flag of the verbs that names a file of certificates.
pub const CA_FLAG: &str = "--ca-file";

/// A TLS configuration that offers these protocols by ALPN, most wanted first. Errors name the flag of the file.
///
/// # Errors
/// [`ClientError::Local`] when the file is not usable, or nobody is trusted at all.
pub fn tls_config(
    ca_file: Option<&Path>,
    ca_flag: &str,
    protocols: &[&[u8]],
) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    // Single broken files of a system's store are common and not ours to accept.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path, ca_flag)?;
    }
    if roots.is_empty() {
        return Err(ClientError::Local(format!(
            "this system has no trusted certificates: install them (often a package called ca-certificates) \
             or name a PEM file with {ca_flag}"
        )));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Local(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn add_file(roots: &mut RootCertStore, path: &Path, flag: &str) -> Result<(), ClientError> {
    let wrong = |why: String| ClientError::Local(format!("cannot use {flag} {}: {why}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let mut found = false;
    for certificate in certificates {
        roots
            .add(certificate.map_err(|error| wrong(error.to_string()))?)
            .map_err(|error| wrong(error.to_string()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(wrong("there is no certificate in it (expected PEM)".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_must_hold_certificates() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let error = tls_config(Some(&path), CA_FLAG, &[]).unwrap_err();
        assert!(error.sentence().contains("ca.pem"), "{error}");
        std::fs::write(&path, "no PEM").unwrap();
        assert!(tls_config(Some(&path), CA_FLAG, &[]).unwrap_err().sentence().contains("no certificate"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert_eq!(tls_config(Some(&path), CA_FLAG, &[b"h2"]).unwrap().alpn_protocols, [b"h2"]);
    }
}
