//! Certificates by ACME (RFC 8555).
//!
//! The CA validates a domain by TLS-ALPN-01 (RFC 8737): it connects to port 443, and expects a certificate that only the
//! holder of the account key can create. No other port or program is needed. Where something else terminates TLS, it is
//! validated by HTTP-01 (RFC 8555 §8.3) on a port for plain HTTP.
//!
//! | to find | look in |
//! |---|---|
//! | domains | [`domain`] |
//! | stored account and certificate | [`cache`] |
//! | requests to the CA | [`authority`] |
//! | one order, from account to certificate | [`order`] |
//! | the certificate for a challenge; the listener for HTTP-01 | [`challenge`], [`http_challenge`] |
//! | when to renew, and when to retry | [`schedule`] |
//! | the renewal task | [`renewal`] |

pub mod authority;
pub mod cache;
pub mod challenge;
pub mod domain;
pub mod http_challenge;
pub mod order;
pub mod renewal;
pub mod schedule;

pub use domain::Domain;
pub use renewal::Renewal;

use std::path::PathBuf;

/// The configuration of ACME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The domains of the certificate; the first one is the default origin.
    pub domains: Vec<Domain>,
    /// The contact for the CA, a `mailto:` URL.
    pub contact: Option<String>,
    /// The URL of the ACME directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// PEM file of additional CA certificates to trust for the directory.
    pub directory_ca_file: Option<PathBuf>,
    /// The account at the CA to which the ACME account is bound (RFC 8555 §7.3.4).
    pub binding: Option<ExternalAccount>,
    /// The address of the listener for HTTP-01; `None` for TLS-ALPN-01.
    pub http_listen: Option<String>,
}

/// An account that the CA knows already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The ID of its key.
    pub key_id: String,
    /// The file with the key, in base64url.
    pub key_file: PathBuf,
}
