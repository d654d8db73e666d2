//! Conformance checks for Web Push, by public protocols only.
//!
//! | Topic | Module |
//! |---|---|
//! | what the specifications demand, in our own words | [`requirement`], [`requirements`] |
//! | results for one subject: a service, a sender library or a user agent | [`report`] |
//! | checking a push service | [`options`], [`runner`] |
//! | judging a sender, a user agent | [`sender`], [`agent`] |
//!
//! The crate does not parse arguments, print or log. The caller passes in the time.
//!
//! Each check is a function over a `Probe`, which records requests and removes what the check creates. Checks are in
//! `service/`, by section; `discover.rs` finds out what a service offers, and so which checks apply.

pub mod agent;
mod autopush_agent;
mod check;
mod delivered_message;
mod discover;
mod exchange;
mod feature;
pub mod options;
mod probe;
pub mod report;
pub mod requirement;
pub mod requirements;
pub mod runner;
pub mod sender;
mod service;
mod signer;
mod stop;
mod verdicts;

pub use probe::HttpChoice;
