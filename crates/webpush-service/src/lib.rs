//! A Web Push service without its sockets: everything between a parsed request and the store, and between the store and a
//! connection that delivers. Nothing here listens, connects or knows an HTTP version.
//!
//! | to find | look in |
//! |---|---|
//! | the state that all requests and connections share, and the one way to commit | [`service`] |
//! | a message on its way from a request to the store | [`publish`] |
//! | sessions, and how they hear of new messages | [`session_registry`] |
//! | settling acknowledged messages; expiring others; removing idle inboxes | [`settling`], [`sweep`], [`idle`] |
//! | the bounds that an operator sets | [`limits`] |
//! | rate limits, subscribe tokens, bearer tokens | [`rate_limits`], [`subscribe_tokens`], [`bearer_tokens`] |
//! | VAPID verification and its cache | [`vapid`] |
//! | the cipher of capability URLs | [`sealing`] |
//! | readiness, metrics, traces, OpenTelemetry spans | [`readiness`], [`metrics`], [`trace`], [`otlp`] |
//! | what agents and messages are called in the log | [`pseudonyms`] |
//! | versions of broadcasts | [`broadcasts`] |
//! | a graceful shutdown | [`drain`] |
//! | errors | [`failure`] |
//! | the clock and random bytes of a running program | [`system`] |
//!
//! The order of calls: [`Service::new`](service::Service::new) with a [`Setup`](service::Setup); [`sweep::run`],
//! [`idle::run`] and [`settling::run`] as tasks beside it; for each message [`publish::find`], then [`publish::accept`];
//! for each connection that delivers [`SessionRegistry::register`](session_registry::SessionRegistry::register); and
//! [`Drain::finish`](drain::Drain::finish) at the end.

pub mod bearer_tokens;
pub mod broadcasts;
pub mod client_addr;
pub mod drain;
pub mod failure;
pub mod idle;
pub mod limits;
pub mod metrics;
pub mod otlp;
pub mod pseudonyms;
pub mod publish;
pub mod rate_limits;
pub mod readiness;
pub mod sealing;
pub mod secret;
pub mod service;
pub mod session_registry;
pub mod settling;
pub mod subscribe_tokens;
pub mod sweep;
pub mod system;
pub mod trace;
pub mod vapid;
