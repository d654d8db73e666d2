//! The certificate that answers a challenge of TLS-ALPN-01 (RFC 8737 §3): for one name, signed by itself, with the digest of
//! what the account's key says about the challenge.

use anyhow::Context as _;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

/// Makes one.
///
/// # Errors
/// When the name can't stand in a certificate, or no key can be made.
pub fn certificate(name: &str, digest: &[u8; 32]) -> anyhow::Result<CertifiedKey> {
    let made = || {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        Ok::<_, rcgen::Error>((params.self_signed(&key)?, key))
    };
    let (certificate, key) = made().context("the certificate of a challenge can't be made")?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    CertifiedKey::from_der(vec![certificate.der().clone()], key, &aws_lc_rs::default_provider())
        .context("the certificate of a challenge can't be used")
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_cert::der::Decode as _;

    #[test]
    fn it_has_one_name_and_a_critical_extension_with_the_digest() {
        let made = certificate("push.example.net", &[7; 32]).unwrap();
        let parsed = x509_cert::Certificate::from_der(&made.cert[0]).unwrap();
        let extensions = parsed.tbs_certificate().extensions().unwrap();
        let of = |oid: &str| extensions.iter().find(|one| one.extn_id.to_string() == oid).unwrap();
        let identifier = of("1.3.6.1.5.5.7.1.31");
        assert!(identifier.critical);
        // An OCTET STRING of 32 bytes.
        assert_eq!(identifier.extn_value.as_bytes(), [&[4, 32][..], &[7; 32]].concat());
        // A SEQUENCE of one dNSName.
        let names = of("2.5.29.17").extn_value.as_bytes();
        assert_eq!(names, [&[0x30, 18, 0x82, 16][..], b"push.example.net"].concat());
    }
}
