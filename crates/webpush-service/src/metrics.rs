//! Counters and histograms, exposed as OpenMetrics text at `/metrics` of the admin listener.
//!
//! | to find | look in |
//! |---|---|
//! | messages and receipts | `messages.rs` |
//! | sessions and autopush agents | `agents.rs` |
//! | connections to the public listener | `connections.rs` |
//! | requests refused; the Matrix gateway | `refusals.rs`, `gateway.rs` |
//! | the store | `store.rs` |
//! | the process, the data directory, the TLS certificate; ACME | `process.rs`, `acme.rs` |
//! | the numbers shown on the dashboard | [`summary`] |
//! | the text | [`report`], `exposition.rs` |
//!
//! Counting is one atomic addition. Labels have few values, known in advance; they never identify an agent or a client.
//! `docs/metrics.md` is generated from the help texts, and a test compares the two.

mod acme;
mod agents;
mod connections;
mod exposition;
mod gateway;
mod messages;
mod process;
mod refusals;
pub mod report;
mod store;
pub mod summary;

pub use acme::AcmeCounts;
pub use agents::{Agents, ClosedBy};
pub use connections::ConnectionCounts;
pub use gateway::{GatewayCounts, GatewayOutcome};
pub use messages::{LiveResult, Messages};
pub use process::{Process, descriptor_limit};
pub use refusals::Refusals;

pub(crate) use exposition::Counters;
pub(crate) use process::status_bytes;

use std::sync::Arc;
use webpush_core::time::Timestamp;

/// All metrics that the service counts itself.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages and receipts.
    pub messages: Messages,
    /// Sessions and autopush agents.
    pub agents: Agents,
    /// Connections to the public listener.
    pub connections: ConnectionCounts,
    /// Requests refused.
    pub refusals: Arc<Refusals>,
    /// The Matrix gateway.
    pub gateway: GatewayCounts,
    /// ACME orders.
    pub acme: AcmeCounts,
    /// This process.
    pub process: Process,
}

impl Metrics {
    /// Creates the metrics of a process that started at `started`, with all counters at zero.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self { process: Process::new(started), ..Self::default() }
    }
}
