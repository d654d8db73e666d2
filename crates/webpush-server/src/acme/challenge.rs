//! The certificate for a TLS-ALPN-01 challenge (RFC 8737 §3).
//!
//! It is self-signed, and has one name and the digest of the key authorization.

use anyhow::Context as _;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

/// Creates the certificate.
///
/// # Errors
/// Fails if the name is invalid, or if no key can be generated.
pub fn certificate(name: &str, digest: &[u8; 32]) -> anyhow::Result<CertifiedKey> {
    let create = || {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        Ok::<_, rcgen::Error>((params.self_signed(&key)?, key))
    };
    let (certificate, key) = create().context("cannot create the certificate for a challenge")?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.context("cannot use the key for a challenge")?;
    // Unlike `from_der`, this does not verify the certificate, whose critical extension rustls does not know.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_cert::der::Decode as _;

    #[test]
    fn the_certificate_has_one_name_and_a_critical_extension_with_the_digest() {
        let challenge = certificate("push.example.net", &[7; 32]).unwrap();
        let parsed = x509_cert::Certificate::from_der(&challenge.cert[0]).unwrap();
        let extensions = parsed.tbs_certificate().extensions().unwrap();
        let extension = |oid: &str| extensions.iter().find(|one| one.extn_id.to_string() == oid).unwrap();
        let identifier = extension("1.3.6.1.5.5.7.1.31");
        assert!(identifier.critical);
        // An OCTET STRING of 32 bytes.
        assert_eq!(identifier.extn_value.as_bytes(), [&[4, 32][..], &[7; 32]].concat());
        // A SEQUENCE of one dNSName.
        let names = extension("2.5.29.17").extn_value.as_bytes();
        assert_eq!(names, [&[0x30, 18, 0x82, 16][..], b"push.example.net"].concat());
    }
}
