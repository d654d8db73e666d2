//! The program: command line, startup, shutdown, certificates by ACME and the service manager.
//!
//! | to find | look in |
//! |---|---|
//! | the command line, one file per command | [`cli`] |
//! | startup and shutdown | [`server_config`], `config_warnings`, [`serve`], [`stop_signals`] |
//! | the store and its sealing keys; the database of a cluster | `open_store`; [`store_config`] |
//! | settings that must be equal on all nodes | [`shared_settings`] |
//! | socket activation, and status for the service manager | [`inherited`], [`service_manager`] |
//! | the log | [`log`] |
//! | reload on SIGHUP; certificates that change on disk | [`reload`], [`certificate_files`] |
//! | certificates by ACME, and for development | [`acme`], [`dev_tls`] |
//! | checks of a running server | [`doctor`] |
//! | export of traces, in builds with the feature `otlp` | [`otlp`] |

pub mod acme;
pub mod certificate_files;
pub mod cli;
mod config_warnings;
pub mod dev_tls;
pub mod doctor;
pub mod inherited;
pub mod log;
mod open_store;
pub mod otlp;
pub mod reload;
mod runtime_watch;
pub mod serve;
pub mod server_config;
pub mod service_manager;
pub mod shared_settings;
pub mod stop_signals;
pub mod store_config;
