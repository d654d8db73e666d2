//! Connections before HTTP: permits, PROXY protocol, TLS, HTTP version, client addresses.
//!
//! | to find | look in |
//! |---|---|
//! | the listening sockets, and the steps of a new connection | [`public_address`], [`bind`], [`unix_socket`], [`socket`], [`listen`] |
//! | connections from within the process | [`loopback`] |
//! | the limits of connections | [`connections`] |
//! | the client behind trusted proxies | [`proxies`]; its headers, [`forwarded`]; the PROXY protocol, [`proxy_header`] |
//! | TLS, its certificates, and its connections without buffers | [`tls`], [`certificate`], [`tls_stream`] |
//! | the HTTP version without TLS, and TLS where there is none | [`preface`], `wrong_scheme.rs` |
//! | timeouts of writes | [`stall`] |
//! | log messages that a flood would repeat | [`log_throttle`] |

pub mod bind;
pub mod certificate;
pub mod connections;
pub mod forwarded;
pub mod listen;
pub mod log_throttle;
pub mod loopback;
pub mod preface;
pub mod proxies;
pub mod proxy_header;
pub mod public_address;
pub mod socket;
pub mod stall;
pub mod tls;
pub mod tls_stream;
pub mod unix_socket;
mod wrong_scheme;

use std::time::Duration;

/// Maximum bytes of headers in one request; more is 431 (RFC 6585 §5).
///
/// It also bounds an HTTP/2 CONTINUATION flood (CVE-2024-27316): `h2` counts the frames that this many bytes can need.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Limits the TLS handshake, and then the time until the HTTP version is known.
pub(crate) const OPENING: Duration = Duration::from_secs(10);
