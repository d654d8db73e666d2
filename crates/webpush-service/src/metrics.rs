//! What the service counts, and how it is shown to whoever watches it: OpenMetrics at `/metrics` of the admin listener.
//! Each file declares the metrics of one theme; `docs/metrics.md` is made of them and kept equal by a test.
//!
//! | theme | look in |
//! |---|---|
//! | messages and receipts: in, out, how long | `messages.rs` |
//! | who listens, and how it ends | `agents.rs` |
//! | connections to the public listener | `connections.rs` |
//! | what was refused, for which reason; the Matrix gateway | `refusals.rs`, `gateway.rs` |
//! | the store | `store.rs` |
//! | the process, its folder and its certificate; orders of certificates | `process.rs`, `acme.rs` |
//! | the few of them that the page of the admin listener draws | [`summary`] |
//! | the text | `exposition.rs` |
//!
//! To count is one addition to a number that has its place. Nobody is named: labels have a few values, known beforehand.

mod acme;
mod agents;
mod connections;
mod exposition;
mod gateway;
mod messages;
mod process;
mod refusals;
mod store;
pub mod summary;

pub use acme::AcmeCounts;
pub use agents::{Agents, ClosedBy};
pub use connections::ConnectionCounts;
pub use gateway::{GatewayCounts, GatewayOutcome};
pub use messages::Messages;
pub use process::{Process, descriptor_limit};
pub use refusals::Refusals;

pub(crate) use exposition::Counters;

use crate::service::Service;
use std::fmt;
use std::sync::Arc;
use webpush_core::time::Timestamp;
use webpush_store::Statistics;

/// All that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages and receipts.
    pub messages: Messages,
    /// Who listens.
    pub agents: Agents,
    /// Connections to the public listener.
    pub connections: ConnectionCounts,
    /// Errors that were answered.
    pub refusals: Arc<Refusals>,
    /// What the Matrix gateway did.
    pub gateway: GatewayCounts,
    /// Orders of certificates by ACME.
    pub acme: AcmeCounts,
    /// This process.
    pub process: Process,
}

impl Metrics {
    /// Creates metrics of a process that started at `started`; nothing is counted yet.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self { process: Process::new(started), ..Self::default() }
    }
}

/// The text of all metrics as they are now. It looks at files and asks for a thread that may block.
///
/// # Errors
/// When the text can't be written.
pub fn text(service: Arc<Service>, is_ready: bool) -> Result<String, fmt::Error> {
    let statistics = service.statistics();
    exposition::write(move |out| show(out, &service, is_ready, statistics.as_ref()))
}

fn show(
    out: &mut exposition::Exposition<'_>,
    service: &Service,
    is_ready: bool,
    statistics: Option<&Statistics>,
) -> fmt::Result {
    let metrics = &*service.metrics;
    metrics.process.show(out)?;
    out.flag(
        "ready",
        "Whether /ready answers 200: the store can be written, and the service does not stop.",
        is_ready,
    )?;
    out.flag("draining", "Whether the service has been asked to stop.", service.readiness.is_draining())?;
    metrics.connections.show(out)?;
    metrics.agents.show(out, service)?;
    metrics.messages.show(out)?;
    metrics.refusals.show(out)?;
    out.counter(
        "vapid_signature_checks",
        "Signatures of VAPID tokens that were checked; a token that is known needs none.",
        service.vapid.signature_checks(),
    )?;
    metrics.gateway.show(out)?;
    metrics.acme.show(out)?;
    statistics.map_or(Ok(()), |statistics| store::show(out, statistics))
}
