//! The service on its sockets: everything that the pure crates must not have.
//!
//! | to find | look in |
//! |---|---|
//! | the command line, one file per verb; where settings come from | [`cli`], [`webpush_config`], [`secret`] |
//! | how the parts are put together and taken apart | [`serve`], [`drain`] |
//! | what a service manager passes on and is told | [`inherited`], [`service_manager`] |
//! | the log, and what things are called in it; what SIGHUP changes | [`log`], [`pseudonyms`], [`reload`] |
//! | what every request handler shares | [`service`] |
//! | HTTP: listening, TLS, the two versions, the router and its resources | [`http`] |
//! | certificates by ACME | [`acme`] |
//! | what only its operator may ask | [`admin`] |
//! | spans for an OpenTelemetry collector, in builds with the feature `otlp` | [`otlp`] |
//! | what it holds as a file: backups, exports | [`archive`] |
//! | whether it can work; what it counts | [`readiness`], [`metrics`] |
//! | a listening agent's transport | [`monitor`] |
//! | `listen` and `send`: the other two sides | [`webpush_client`] |
//! | who sends: VAPID | [`vapid`] |
//! | notifications of Matrix homeservers, for devices here and elsewhere | [`gateway`] |
//! | the bounds that an operator sets | [`limits`] |
//! | how often something may be asked, and by whom | [`rate_limits`], [`subscribe_tokens`], [`bearer_tokens`] |
//! | what is broadcast to autopush agents | [`broadcasts`] |
//! | settling what agents acknowledge | [`settling`] |
//! | telling sessions about new messages | [`wake`] |
//! | the way of each message that was accepted lately | [`trace`] |
//! | removing inboxes that nobody uses | [`idle`] |
//! | ending messages whose TTL has run out | [`sweep`] |
//! | the keys that URLs are sealed with | [`keys_file`] |

pub mod acme;
pub mod admin;
pub mod archive;
pub mod bearer_tokens;
pub mod broadcasts;
pub mod cli;
pub mod doctor;
pub mod drain;
pub mod fresh;
pub mod gateway;
pub mod http;
pub mod idle;
pub mod inherited;
pub mod keys_file;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod monitor;
pub mod otlp;
pub mod pseudonyms;
pub mod rate_limits;
pub mod readiness;
pub mod reload;
pub mod secret;
pub mod serve;
pub mod service;
pub mod service_manager;
pub mod session_registry;
pub mod settling;
pub mod subscribe_tokens;
pub mod sweep;
pub mod trace;
pub mod vapid;
