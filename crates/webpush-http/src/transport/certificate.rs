//! The certificate of TLS handshakes, and those of TLS-ALPN-01 challenges (RFC 8737).

use arc_swap::ArcSwapOption;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webpush_core::time::Timestamp;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::BasicConstraints;

/// The ALPN protocol of a challenge, which ends after the handshake (RFC 8737 §4).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The current certificate. Replacing it does not affect open connections.
pub struct Certificate {
    /// Handshakes fail while there is none.
    current: ArcSwapOption<CertifiedKey>,
    /// By server name; `None` without ACME.
    challenges: Option<Mutex<HashMap<String, Arc<CertifiedKey>>>>,
}

/// The period in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Certificate {
    /// Creates a certificate without challenges.
    #[must_use]
    pub fn new(first: CertifiedKey) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::from_pointee(first), challenges: None })
    }

    /// Creates an empty one that can answer challenges.
    #[must_use]
    pub fn challenged() -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::empty(), challenges: Some(Mutex::default()) })
    }

    /// Replaces the certificate for new handshakes.
    pub fn replace(&self, next: CertifiedKey) {
        self.current.store(Some(Arc::new(next)));
    }

    /// Begins to answer the challenge for a name.
    pub fn answer(&self, name: String, certificate: CertifiedKey) {
        if let Some(mut challenges) = self.challenges() {
            challenges.insert(name, Arc::new(certificate));
        }
    }

    /// Ends all challenges.
    pub fn forget_challenges(&self) {
        if let Some(mut challenges) = self.challenges() {
            challenges.clear();
        }
    }

    /// Returns the ALPN protocols, preferred first.
    pub(crate) fn protocols(&self) -> Vec<Vec<u8>> {
        let mut protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        protocols.extend(self.challenges.as_ref().map(|_| ACME_TLS.to_vec()));
        protocols
    }

    fn challenges(&self) -> Option<MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>>> {
        Some(self.challenges.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if is_challenge(&hello)
            && let Some(challenges) = self.challenges()
        {
            return challenges.get(hello.server_name()?).cloned();
        }
        self.current.load_full()
    }
}

fn is_challenge(hello: &ClientHello<'_>) -> bool {
    let offered = hello.alpn().into_iter().flatten();
    offered.eq([ACME_TLS])
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

/// Returns the validity of a certificate; `None` if it cannot be parsed.
#[must_use]
pub fn validity(certificate: &CertifiedKey) -> Option<Validity> {
    Validity::from_der(certificate.cert.first()?)
}

/// Returns why clients would refuse a certificate for `host`, and the cure.
///
/// The texts continue the name of its file.
#[must_use]
pub fn faults(certificate: &CertifiedKey, host: Option<&str>, now: Timestamp) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(own) = certificate.cert.first() else { return faults };
    if let Some(Validity { from, until }) = Validity::from_der(own) {
        let day = |time: Timestamp| time.rfc3339().chars().take(10).collect::<String>();
        if now > until {
            faults.push(format!("has expired on {}: renew it", day(until)));
        } else if now < from {
            faults.push(format!("is not valid before {}: check the clock of this machine", day(from)));
        }
    }
    if is_ca(own) {
        let cure = "is that of a CA (CA:TRUE), which clients refuse for a server: create one with CA:FALSE";
        faults.push(cure.to_owned());
    }
    if let Some(host) = host.filter(|host| !is_for(own, host)) {
        faults.push(format!(
            "is not for {host}, the host of the public origin: get one for this name, or correct --origin"
        ));
    }
    faults
}

fn is_ca(certificate: &CertificateDer<'_>) -> bool {
    let certificate = x509_cert::Certificate::from_der(certificate).ok();
    let constraints = certificate
        .and_then(|certificate| certificate.tbs_certificate().get_extension::<BasicConstraints>().ok()?);
    constraints.is_some_and(|(_, constraints)| constraints.ca)
}

/// Returns true if a certificate is for `host`, or cannot be parsed.
fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    match (ParsedCertificate::try_from(certificate), ServerName::try_from(host)) {
        (Ok(certificate), Ok(name)) => verify_server_name(&certificate, &name).is_ok(),
        _ => true,
    }
}

impl Validity {
    /// Returns the validity of a certificate; `None` if it cannot be parsed.
    #[must_use]
    pub fn from_der(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let at = |time: &x509_cert::time::Time| Timestamp::default().after(time.to_unix_duration());
        Some(Self { from: at(&validity.not_before), until: at(&validity.not_after) })
    }
}

/// Returns the expiry of a certificate; `None` if it cannot be parsed.
#[must_use]
pub fn expiry(certificate: &CertifiedKey) -> Option<Timestamp> {
    Some(validity(certificate)?.until)
}
