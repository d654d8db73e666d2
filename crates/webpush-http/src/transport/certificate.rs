//! The certificate that handshakes are answered with, and those that answer challenges of TLS-ALPN-01 (RFC 8737).

use arc_swap::ArcSwapOption;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webpush_core::time::Timestamp;
use x509_cert::der::Decode as _;

/// The protocol of a challenge: a handshake, and nothing after it (RFC 8737 §4).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificate in force. It can be replaced; open connections go on as they began.
pub struct Certificate {
    /// There may be none yet: then handshakes fail.
    current: ArcSwapOption<CertifiedKey>,
    /// By server name; `None` where nobody will be challenged.
    challenges: Option<Mutex<HashMap<String, Arc<CertifiedKey>>>>,
}

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Certificate {
    /// One to begin with.
    #[must_use]
    pub fn new(first: CertifiedKey) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::from_pointee(first), challenges: None })
    }

    /// None to begin with, until challenges were answered.
    #[must_use]
    pub fn challenged() -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::empty(), challenges: Some(Mutex::default()) })
    }

    /// Answers handshakes from now on with another one.
    pub fn replace(&self, next: CertifiedKey) {
        self.current.store(Some(Arc::new(next)));
    }

    /// Answers the challenge for a name from now on.
    pub fn answer(&self, name: String, certificate: CertifiedKey) {
        if let Some(mut challenges) = self.challenges() {
            challenges.insert(name, Arc::new(certificate));
        }
    }

    /// Answers no challenge any more.
    pub fn forget_challenges(&self) {
        if let Some(mut challenges) = self.challenges() {
            challenges.clear();
        }
    }

    /// The protocols that handshakes may agree on, most wanted first.
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

/// From when to when a certificate is good, as far as it can be read.
#[must_use]
pub fn validity(certificate: &CertifiedKey) -> Option<Validity> {
    Validity::of(certificate.cert.first()?)
}

impl Validity {
    /// Of one certificate, as far as it can be read.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let at = |time: &x509_cert::time::Time| Timestamp::default().after(time.to_unix_duration());
        Some(Self { from: at(&validity.not_before), until: at(&validity.not_after) })
    }
}

/// Until when a certificate is good, as far as it can be read.
#[must_use]
pub fn expiry(certificate: &CertifiedKey) -> Option<Timestamp> {
    Some(validity(certificate)?.until)
}
