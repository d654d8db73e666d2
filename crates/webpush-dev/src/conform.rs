//! Push services for conformance checks of their clients.

pub mod agent;
pub mod sender;
