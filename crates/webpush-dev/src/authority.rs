//! The certificate authority of one run.
//!
//! It signs one certificate, for the names of this server and the push services of browser vendors. Its key is dropped right
//! after, and neither key is ever written to disk, so trusting the authority gives nobody a power over other connections,
//! and none at all once the run has ended.

use crate::vendor;
use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use webpush_core::time::Timestamp;

/// The names of every run. `--name` adds more.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than any run of tests.
///
/// TLS clients use their own clock, so advancing the server's changes nothing.
const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// A certificate that was signed by an authority which can sign no other.
pub struct TestAuthority {
    ca: CertificateDer<'static>,
    ca_pem: String,
    certificate: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
    spki_sha256: String,
}

impl TestAuthority {
    /// Creates an authority and its certificate, which begins a day before `now`.
    ///
    /// `extra_names` are DNS names or IP addresses.
    ///
    /// # Errors
    /// Fails if a name is neither a DNS name nor an IP address.
    pub fn create(extra_names: &[String], now: Timestamp) -> anyhow::Result<Self> {
        let names: Vec<String> = OWN_NAMES
            .into_iter()
            .chain(vendor::CERTIFICATE_NAMES)
            .map(str::to_owned)
            .chain(extra_names.iter().cloned())
            .collect();
        let validity = Validity { from: date(now.before(DAY)), until: date(now.before(DAY).after(LIFETIME)) };
        let ca_key = KeyPair::generate().context("cannot create the key of the certificate authority")?;
        let ca_params = ca_params(&names, &ca_key, validity);
        let ca = ca_params.self_signed(&ca_key).context("cannot create the certificate authority")?;
        let issuer = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate().context("cannot create the key of the server")?;
        let certificate = server_params(names, validity)
            .and_then(|params| params.signed_by(&key, &issuer))
            .context("cannot create the certificate of the server")?;
        let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self {
            ca_pem: ca.pem(),
            ca: ca.der().clone(),
            certificate: certificate.der().clone(),
            key: default_provider().key_provider.load_private_key(pkcs8)?,
            spki_sha256: STANDARD.encode(digest(&SHA256, &key.subject_public_key_info())),
        })
    }

    /// Returns the certificate of the authority in PEM, for clients to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the certificate of the authority in DER.
    #[must_use]
    pub fn ca_der(&self) -> &[u8] {
        &self.ca
    }

    /// Returns the certificate of the server with its key.
    #[must_use]
    pub fn certified(&self) -> CertifiedKey {
        CertifiedKey::new(vec![self.certificate.clone()], Arc::clone(&self.key))
    }

    /// Returns the base64 of the SHA-256 of the server's public key (SubjectPublicKeyInfo).
    ///
    /// Chromium trusts such a key with `--ignore-certificate-errors-spki-list`.
    #[must_use]
    pub fn spki_sha256(&self) -> String {
        self.spki_sha256.clone()
    }
}

#[derive(Clone, Copy)]
struct Validity {
    from: OffsetDateTime,
    until: OffsetDateTime,
}

/// Returns the parameters of the authority.
///
/// Its name follows from its key, so that no two runs share one.
fn ca_params(names: &[String], key: &KeyPair, validity: Validity) -> CertificateParams {
    let fingerprint = digest(&SHA256, key.public_key_raw());
    let fingerprint: String = fingerprint.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("webpush-server dev run {fingerprint}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.iter().map(|name| subtree(name)).collect(),
        excluded_subtrees: Vec::new(),
    });
    params.not_before = validity.from;
    params.not_after = validity.until;
    params
}

fn server_params(names: Vec<String>, validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, OWN_NAMES[0]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python 3.13 and later refuse a certificate that does not name its authority's key.
    params.use_authority_key_identifier_extension = true;
    params.not_before = validity.from;
    params.not_after = validity.until;
    Ok(params)
}

/// Returns the smallest permitted subtree of a name: the address itself, or the parent of a wildcard.
fn subtree(name: &str) -> GeneralSubtree {
    match name.parse() {
        Ok(IpAddr::V4(address)) => GeneralSubtree::IpAddress(CidrSubnet::V4(address.octets(), [255; 4])),
        Ok(IpAddr::V6(address)) => GeneralSubtree::IpAddress(CidrSubnet::V6(address.octets(), [255; 16])),
        Err(_) => GeneralSubtree::DnsName(name.strip_prefix("*.").unwrap_or(name).to_owned()),
    }
}

/// Returns the second of a time; the far future if it cannot be written as a date.
fn date(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_millis() / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or_else(|_| rcgen::date_time_ymd(4096, 1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn create() -> TestAuthority {
        TestAuthority::create(&["push".to_owned(), "10.1.2.3".to_owned()], NOW).unwrap()
    }

    /// Returns true if a client that trusts `ca` accepts `certificate` for `name`.
    fn accepts(
        ca: &CertificateDer<'static>,
        certificate: &CertificateDer<'_>,
        name: &str,
        now: Timestamp,
    ) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
        verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
    }

    #[test]
    fn the_certificate_is_for_this_server_and_the_push_services_of_vendors() {
        let authority = create();
        let own = &authority.certified().cert[0];
        for name in [
            "localhost",
            "127.0.0.1",
            "::1",
            "push",
            "10.1.2.3",
            "fcm.googleapis.com",
            "jmt17.google.com",
            "updates.push.services.mozilla.com",
            "web.push.apple.com",
            "wns2-par02p.notify.windows.com",
        ] {
            assert!(accepts(&authority.ca, own, name, NOW), "{name}");
        }
        for name in [
            "example.org",
            "google.com",
            "www.google.com",
            "googleapis.com",
            "push.services.mozilla.com",
            "push.apple.com",
            "apple.com",
            "windows.com",
            "127.0.0.2",
            "::2",
            "push.example",
        ] {
            assert!(!accepts(&authority.ca, own, name, NOW), "{name}");
        }
    }

    #[test]
    fn it_is_valid_for_a_week() {
        let authority = create();
        let own = &authority.certified().cert[0];
        let accepts = |now| accepts(&authority.ca, own, "localhost", now);
        assert!(accepts(NOW.before(Duration::from_secs(86_000))) && accepts(NOW.after(5 * DAY)));
        assert!(!accepts(NOW.before(2 * DAY)) && !accepts(NOW.after(7 * DAY)));
    }

    #[test]
    fn the_authority_could_sign_for_no_other_name() {
        let names =
            OWN_NAMES.into_iter().chain(vendor::CERTIFICATE_NAMES).map(str::to_owned).collect::<Vec<_>>();
        let validity = Validity { from: date(NOW.before(DAY)), until: date(NOW.after(DAY)) };
        let key = KeyPair::generate().unwrap();
        let params = ca_params(&names, &key, validity);
        let ca = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let accepts = |name: &str| {
            let params = server_params(vec![name.to_owned()], validity).unwrap();
            let signed = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
            accepts(&ca, signed.der(), name, NOW)
        };
        assert!(accepts("localhost") && accepts("fcm.googleapis.com") && accepts("web.push.apple.com"));
        for name in ["example.org", "google.com", "accounts.google.com", "127.0.0.2", "icloud.com", "::2"] {
            assert!(!accepts(name), "{name}");
        }
    }

    #[test]
    fn it_cannot_sign_for_another_authority() {
        let authority = create();
        let ca = x509(&authority.ca);
        let (_, constraints) =
            ca.tbs_certificate().get_extension::<x509_cert::ext::pkix::BasicConstraints>().unwrap().unwrap();
        assert!(constraints.ca && constraints.path_len_constraint == Some(0));
    }

    #[test]
    fn two_runs_share_neither_name_nor_key() {
        let (one, two) = (create(), create());
        assert_ne!(x509(&one.ca).tbs_certificate().subject(), x509(&two.ca).tbs_certificate().subject());
        assert_ne!(
            x509(&one.ca).tbs_certificate().subject_public_key_info(),
            x509(&two.ca).tbs_certificate().subject_public_key_info()
        );
        assert_ne!(one.spki_sha256(), two.spki_sha256());
        assert!(!accepts(&one.ca, &two.certified().cert[0], "localhost", NOW));
    }

    #[test]
    fn the_digest_is_that_of_the_public_key() {
        use x509_cert::der::Encode as _;
        let authority = create();
        let certificate = x509(&authority.certified().cert[0]);
        let spki = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
        assert_eq!(authority.spki_sha256(), STANDARD.encode(digest(&SHA256, &spki)));
        assert!(authority.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!authority.ca_pem().contains("PRIVATE"));
    }

    fn x509(certificate: &CertificateDer<'_>) -> x509_cert::Certificate {
        x509_cert::der::Decode::from_der(certificate).unwrap()
    }
}
