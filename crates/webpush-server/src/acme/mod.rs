//! Certificates by ACME (RFC 8555). The authority sees by TLS-ALPN-01 (RFC 8737) that a domain is ours: it connects to it and
//! finds a certificate that only the owner of our account can make. So no other port and no other program is needed.
//!
//! | to find | look in |
//! |---|---|
//! | names that a certificate can be had for | [`domain`] |
//! | what is kept in the data folder | [`cache`] |
//! | requests to the authority | [`authority`] |
//! | one order, from account to certificate | [`order`] |
//! | the certificate of a challenge | [`challenge`] |
//! | when the next order is due | [`schedule`] |
//! | the task that has a certificate at all times | [`renewal`] |

pub mod authority;
pub mod cache;
pub mod challenge;
pub mod domain;
pub mod order;
pub mod renewal;
pub mod schedule;

pub use domain::Domain;
pub use renewal::Renewal;

use std::path::PathBuf;

/// What certificates are ordered for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The names; the first one is that of the default origin.
    pub domains: Vec<Domain>,
    /// How the authority reaches the operator, as a `mailto:` URL.
    pub contact: Option<String>,
    /// The URL of the authority's directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// PEM file with whom to trust for the authority's own HTTPS, beside whom the system trusts.
    pub directory_ca_file: Option<PathBuf>,
}
