//! All metrics of a service as OpenMetrics text.

use super::exposition::{self, Exposition};
use super::store;
use crate::service::Service;
use std::fmt;
use std::sync::Arc;
use webpush_store::Statistics;

/// Returns the current value of all metrics. Reads files, so call it where blocking is allowed.
///
/// # Errors
/// Fails if a metric cannot be encoded.
pub fn open_metrics(service: Arc<Service>, is_ready: bool) -> Result<String, fmt::Error> {
    let statistics = service.statistics();
    exposition::encode(move |out| encode(out, &service, is_ready, statistics.as_ref()))
}

fn encode(
    out: &mut Exposition<'_>,
    service: &Service,
    is_ready: bool,
    statistics: Option<&Statistics>,
) -> fmt::Result {
    let metrics = &*service.metrics;
    metrics.process.encode(out)?;
    if let Some(limit) = service.memory.limit() {
        out.bytes("memory_limit", "Memory above which new work is refused.", limit)?;
    }
    out.flag("memory_low", "1 if new work is refused because memory is low.", service.memory.is_low())?;
    out.flag(
        "ready",
        "1 if the server is ready: the store accepts writes, no certificate is missing, and no shutdown has begun.",
        is_ready,
    )?;
    out.flag("draining", "1 if the server is shutting down.", service.readiness.is_draining())?;
    metrics.connections.encode(out)?;
    metrics.agents.encode(out, &service.registry, &service.broadcasts)?;
    metrics.messages.encode(out)?;
    metrics.refusals.encode(out)?;
    out.counter(
        "vapid_signature_checks",
        "Signatures of VAPID tokens verified; cached tokens need no verification.",
        service.vapid.signature_checks(),
    )?;
    metrics.gateway.encode(out)?;
    metrics.acme.encode(out)?;
    statistics.map_or(Ok(()), |statistics| store::encode(out, statistics))
}
