//! Listening agents: one driver per transport, each a loop around a [`webpush_core::session::Session`].

pub mod server_push;

use crate::wake::Listener;
use webpush_core::dialect::rfc8030::MonitorRequest;
use webpush_core::session::Scope;

/// An agent that listens from now on, on whatever transport it came.
pub struct Monitor {
    /// What it listens to.
    pub scope: Scope,
    /// How it asked.
    pub request: MonitorRequest,
    /// Its place in the registry.
    pub listener: Listener,
    /// The origin it asked at, as it sees it, perhaps through a proxy. Promised requests carry the same (RFC 9113 §8.4).
    pub asked_at: Option<String>,
}
