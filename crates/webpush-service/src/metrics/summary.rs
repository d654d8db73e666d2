//! The few numbers that the page of the admin listener draws. They only grow, or are as they are now: who reads two samples
//! has the rates between them.

use crate::service::Service;
use crate::session_registry::Transport;
use serde_json::{Map, Value, json};
use webpush_store::statistics::Distribution;

/// The present, in numbers.
#[must_use]
pub fn sample(service: &Service) -> Value {
    let metrics = &*service.metrics;
    let store = service.statistics().unwrap_or_default();
    let sessions: u64 = Transport::ALL.into_iter().map(|way| service.registry.session_count(way)).sum();
    let (delivery, acknowledgement) = metrics.messages.times();
    json!({
        "at": service.now().as_millis(),
        "accepted": metrics.messages.all_accepted(),
        "ended": metrics.messages.all_ended(),
        "refused": metrics.refusals.all(),
        "connections": metrics.connections.open_now(),
        "sessions": sessions,
        "backlog": store.entries,
        "store_up": store.is_up,
        "delivery": histogram(&delivery),
        "acknowledgement": histogram(&acknowledgement),
        "commits": histogram(&store.commits),
        "groups": histogram(&store.groups),
    })
}

/// The largest values of the buckets of each histogram of a sample but the last: milliseconds, microseconds for commits,
/// and requests for groups.
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

/// How many listen, by how.
#[must_use]
pub fn sessions(service: &Service) -> Value {
    let one = |way: Transport| (way.as_str().to_owned(), service.registry.session_count(way).into());
    Value::Object(Transport::ALL.into_iter().map(one).collect::<Map<_, _>>())
}

fn histogram(of: &Distribution) -> Value {
    json!({"counts": of.counts, "sum": of.sum})
}
