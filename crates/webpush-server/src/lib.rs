//! The program around the service: command line, wiring, certificates by ACME, and the service manager.
//!
//! | to find | look in |
//! |---|---|
//! | the command line, one file per command | [`cli`] |
//! | how the parts are put together and taken apart | [`serve`], [`stop_signals`] |
//! | what a service manager passes on and is told | [`inherited`], [`service_manager`] |
//! | the log; what SIGHUP changes | [`log`], [`reload`] |
//! | certificates by ACME | [`acme`] |
//! | checks of a running service | [`doctor`] |
//! | the exporter of spans, in builds with the feature `otlp` | [`otlp`] |

pub mod acme;
pub mod cli;
pub mod doctor;
pub mod inherited;
pub mod log;
pub mod otlp;
pub mod reload;
pub mod serve;
pub mod service_manager;
pub mod stop_signals;
