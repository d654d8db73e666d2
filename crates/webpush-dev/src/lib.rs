//! The Web Push service for development and tests.
//!
//! It stores in memory, answers for the push services of browser vendors, and is controlled by a JSON API.
//!
//! | to find | look in |
//! |---|---|
//! | what starts and listens; the ready line | [`server`], [`ready`] |
//! | which requests are not for the service alone; who may control the server | `intercept`, `access` |
//! | a push, from the request to its record: faults, vendors | `push`, `fault`, `held`, [`vendor`], `record` |
//! | what becomes of pushes | `records`, `observer`; `state` for TTL 0 |
//! | user agents whose keys the server holds; parallel tests | `agent`, `subscription`; `namespace` |
//! | the control API and the inspector | `control` |
//! | the API of npm `web-push-testing` | `compat` |
//! | the proxy for application servers, and its certificate authority | [`proxy`], [`authority`], [`java_trust_store`] |
//! | time that tests advance | `clock` |
//! | push services that judge senders and user agents | [`conform`] |
//!
//! Call [`server::DevServer::start`], and print its ready line.

mod access;
mod agent;
pub mod authority;
mod client_hashes;
mod clock;
mod compat;
pub mod conform;
mod control;
mod duration;
mod fault;
mod held;
pub mod host_name;
mod intercept;
pub mod java_trust_store;
mod namespace;
mod observer;
mod print;
pub mod proxy;
mod push;
pub mod ready;
mod record;
mod records;
pub mod server;
mod service_name;
mod state;
mod subscription;
mod subscriptions;
pub mod vendor;

pub use print::{SetUp, set_up_code};
