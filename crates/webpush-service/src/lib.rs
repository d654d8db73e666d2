//! The Web Push service without its sockets.
//!
//! It connects parsed requests to the store, and the store to the connections that deliver. Nothing here listens,
//! connects or depends on an HTTP version.
//!
//! | to find | look in |
//! |---|---|
//! | the state shared by all requests and connections; commits | [`service`] |
//! | the effects of each commit | `service::commit_observer` |
//! | the publish path of a message; its receipt subscription | [`publish`]; `publish::receipt_subscription` |
//! | open sessions, and their notification of new messages | [`session_registry`] |
//! | an entry that waits for its connection | [`queued_entry`] |
//! | reading again after notices of other nodes were lost | [`catch_up`] |
//! | settling, expiry, removal of idle inboxes | [`settling`], [`sweep`], [`idle`] |
//! | removal of inboxes and subscriptions on request | `removal` |
//! | limits and timeouts | [`limits`] |
//! | rate limits, subscribe tokens, bearer tokens | [`rate_limits`], [`subscribe_tokens`], [`bearer_tokens`] |
//! | the address and network of a client | [`client_addr`] |
//! | passwords and tokens of the configuration, which are not printed | [`secret`] |
//! | VAPID verification with a cache; the curve behind it | [`vapid_cache`]; [`p256`] |
//! | the cipher of capability URLs | [`sealing_cipher`] |
//! | sealing keys in a database; keys that other nodes have added | [`shared_keys`]; [`key_refresh`], `service::keys` |
//! | readiness, metrics, traces, OpenTelemetry spans | [`readiness`], [`metrics`], [`trace`], [`otlp`] |
//! | the bound of the memory of the process | [`memory_budget`]; its measurement, [`memory_watch`] |
//! | the memory of pages that wait for their agents | [`page_memory`] |
//! | turns of long work | [`work_turns`] |
//! | log IDs | [`log_ids`] |
//! | broadcast versions | [`broadcasts`] |
//! | graceful shutdown | [`drain`] |
//! | errors | [`error`] |
//! | the system clock and random bytes | [`system`] |
//!
//! Create a [`Service`](service::Service) from a [`Setup`](service::Setup), and call [`sweep::start`], [`idle::start`],
//! [`settling::start`] and [`memory_watch::start`]; for a store that several nodes share also [`catch_up::start`]
//! and [`key_refresh::start`]. Call
//! [`publish::find`] and then [`publish::accept`] for each message, and
//! [`SessionRegistry::register`](session_registry::SessionRegistry::register) for each session. At shutdown call
//! [`Drain::finish`](drain::Drain::finish).

pub mod bearer_tokens;
pub mod broadcasts;
pub mod catch_up;
pub mod client_addr;
pub mod drain;
pub mod error;
pub mod idle;
pub mod key_refresh;
pub mod limits;
pub mod log_ids;
pub mod memory_budget;
pub mod memory_watch;
pub mod metrics;
pub mod otlp;
pub mod p256;
pub mod page_memory;
pub mod publish;
pub mod queued_entry;
pub mod rate_limits;
pub mod readiness;
mod removal;
pub mod sealing_cipher;
pub mod secret;
pub mod service;
pub mod session_registry;
pub mod settling;
pub mod shared_keys;
pub mod subscribe_tokens;
pub mod sweep;
pub mod system;
mod threads;
pub mod trace;
pub mod vapid_cache;
pub mod work_turns;
