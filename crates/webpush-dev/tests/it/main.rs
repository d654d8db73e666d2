//! The server for development, over its sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod access;
mod clock;
mod compat;
mod faults;
mod messages;
mod namespaces;
mod ready;
mod subscriptions;
mod support;
mod vendors;
