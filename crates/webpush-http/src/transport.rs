//! Connections before HTTP: permits, PROXY protocol, TLS, HTTP version, client addresses.

pub mod certificate;
pub mod connections;
pub mod forwarded;
pub mod listen;
pub mod log_throttle;
pub mod loopback;
pub mod preface;
pub mod proxies;
pub mod proxy_header;
pub mod stall;
pub mod tls;

use std::time::Duration;

/// Maximum bytes of headers in one request; more is 431 (RFC 6585 §5).
///
/// It also bounds an HTTP/2 CONTINUATION flood (CVE-2024-27316): `h2` counts the frames that this many bytes can need.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Limits the TLS handshake, and then the time until the HTTP version is known.
pub(crate) const OPENING: Duration = Duration::from_secs(10);
