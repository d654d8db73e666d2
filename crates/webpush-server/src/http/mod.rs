//! HTTP: two versions and TLS in front of one router.
//!
//! | step of a request | look in |
//! |---|---|
//! | a connection comes in; is there room; from whom | [`listen`], [`connections`], [`peer`] |
//! | TLS; which version | [`tls`], [`preface`] |
//! | what a peer may not do to us | [`stall`], [`pressure`], [`retirement`] |
//! | its requests, by version | [`http1`], [`http2`] |
//! | a stream of events over HTTP/2, and over HTTP/1.1 | [`event_flow`], [`half_closed`] |
//! | what `h2` does not tell of its peer | [`pressure`], [`pulse`], [`resets`] |
//! | who asks, if proxies are in between | [`proxies`], [`forwarded`], [`proxy_header`] |
//! | a WebSocket opens | [`upgrade`] |
//! | which resource | [`route`], by paths of autopush [`aliases`] |
//! | the resources | [`subscribe`], [`publish`], [`receipts`], [`subscription`], [`message`], [`about`], [`errors_page`], [`cors`], those of 2015 in [`thomson`] |
//! | UnifiedPush and its gateway for Matrix homeservers | [`unifiedpush`], [`notify`] |
//! | bodies in; answers, problems and streams out | [`body`], [`answer`], [`problem`], [`flow`] |

pub mod about;
pub mod aliases;
pub mod answer;
pub mod body;
pub mod certificate;
pub mod client_addr;
pub mod connection_lifetime;
pub mod connections;
pub mod cors;
pub mod errors_page;
pub mod event_flow;
pub mod flow;
pub mod forwarded;
pub mod half_closed;
pub mod health;
pub mod http1;
pub mod http2;
pub mod legacy;
pub mod listen;
pub mod log_throttle;
pub mod loopback;
pub mod message;
pub mod notify;
pub mod ping;
pub mod preface;
pub mod problem;
pub mod proxies;
pub mod proxy_header;
pub mod publish;
pub mod receipts;
pub mod resets;
pub mod route;
pub mod stall;
pub mod subscribe;
pub mod subscription;
pub mod tls;
pub mod unifiedpush;
pub mod upgrade;
pub mod write_backlog;

use std::time::Duration;

/// The most bytes of headers in one request; more is 431 (RFC 6585 §5).
///
/// It also bounds an HTTP/2 CONTINUATION flood (CVE-2024-27316): `h2` counts the frames that this many bytes can need.
pub(crate) const HEADER_BYTES: usize = 16 * 1024;

/// How long a client may take until its HTTP version is known; TLS has as long again before that.
pub(crate) const OPENING: Duration = Duration::from_secs(10);
