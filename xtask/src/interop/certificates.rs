//! A certification authority of its own for each run, and the server's certificate under it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

pub(crate) struct Certificates {
    /// The authority that clients trust (PEM).
    pub(crate) ca: PathBuf,
    pub(crate) server_certificate: PathBuf,
    pub(crate) server_key: PathBuf,
}

impl Certificates {
    /// Writes three PEM files into `directory`.
    pub(crate) fn generate(directory: &Path) -> Result<Self> {
        let files = Self {
            ca: directory.join("ca.pem"),
            server_certificate: directory.join("server-certificate.pem"),
            server_key: directory.join("server-key.pem"),
        };

        let ca_key = KeyPair::generate().context("cannot make the authority's key")?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "webpush-server interop authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key).context("cannot make the authority's certificate")?;
        let issuer = Issuer::new(ca, ca_key);

        let server_key = KeyPair::generate().context("cannot make the server's key")?;
        let mut server = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into(), "::1".into()])?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python 3.13 and later refuse a certificate that does not name its authority's key.
        server.use_authority_key_identifier_extension = true;
        let server_certificate =
            server.signed_by(&server_key, &issuer).context("cannot make the server's certificate")?;

        write(&files.ca, &ca_certificate.pem())?;
        write(&files.server_certificate, &server_certificate.pem())?;
        write(&files.server_key, &server_key.serialize_pem())?;
        Ok(files)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
