//! The numbers shown on the dashboard.
//!
//! They are counters and gauges; the dashboard computes rates from successive samples.

use crate::service::Service;
use crate::session_registry::TransportKind;
use serde_json::{Map, Value, json};
use webpush_store::statistics::Distribution;

/// Returns a sample of the current values.
#[must_use]
pub fn sample(service: &Service) -> Value {
    let metrics = &*service.metrics;
    let store = service.statistics().unwrap_or_default();
    let sessions: u64 =
        TransportKind::ALL.into_iter().map(|transport| service.registry.session_count(transport)).sum();
    let (delivery, acknowledgement) = metrics.messages.times();
    json!({
        "at": service.now().as_millis(),
        "accepted": metrics.messages.total_accepted(),
        "ended": metrics.messages.ended_by_outcome(),
        "refused": metrics.refusals.total(),
        "connections": metrics.connections.open_now(),
        "sessions": sessions,
        "backlog": store.entries,
        "store_up": store.is_up,
        "store_full": store.is_full,
        "store_damaged": store.is_damaged(),
        "delivery": histogram(&delivery),
        "acknowledgement": histogram(&acknowledgement),
        "commits": histogram(&store.commits),
        "groups": histogram(&store.groups),
    })
}

/// Returns the upper bounds of the histogram buckets, except the last, which has none.
///
/// They are in milliseconds, for commits in microseconds, for groups in requests.
#[must_use]
pub fn bounds(service: &Service) -> Value {
    let store = service.statistics().unwrap_or_default();
    let (delivery, acknowledgement) = service.metrics.messages.times();
    json!({
        "delivery": delivery.bounds,
        "acknowledgement": acknowledgement.bounds,
        "commits": store.commits.bounds,
        "groups": store.groups.bounds,
    })
}

/// Returns the number of open sessions by transport.
#[must_use]
pub fn sessions(service: &Service) -> Value {
    let count = |transport: TransportKind| {
        (transport.as_str().to_owned(), service.registry.session_count(transport).into())
    };
    Value::Object(TransportKind::ALL.into_iter().map(count).collect::<Map<_, _>>())
}

fn histogram(values: &Distribution) -> Value {
    json!({"counts": values.counts, "sum": values.sum})
}
