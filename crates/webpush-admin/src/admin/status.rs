//! The status of the service and its recent history, for the dashboard.

use super::Admin;
use super::error::AdminError;
use super::messages::millis;
use super::reply::{self, Reply};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_service::metrics::summary;
use webpush_service::service::Service;
use webpush_store::postgres::ClusterNode;
use webpush_store::statistics::CellStatistics;

/// Number of slowest agents in the status.
const SLOWEST: usize = 8;

/// Serves `GET /admin/status`.
pub(super) async fn show(admin: &Admin) -> Result<Reply, AdminError> {
    let ready = admin.service.check_readiness().await.err().map(|error| error.reason());
    let service = Arc::clone(&admin.service);
    let status = spawn_blocking(move || status(&service, ready)).await.map_err(|_| AdminError::Internal)?;
    reply::json(&status)
}

/// Serves `GET /admin/history`: samples, the oldest first.
pub(super) fn history(admin: &Admin) -> Result<Reply, AdminError> {
    reply::json(&Value::Array(admin.history.samples()))
}

fn status(service: &Service, not_ready: Option<&str>) -> Value {
    let traces = &service.traces;
    let slowest = traces.slowest(SLOWEST).into_iter().map(|(agent, latency)| {
        json!({
            "agent": service.log_ids.inbox(agent).to_string(),
            "messages": latency.messages,
            "waiting": latency.waiting,
            "longest_ms": millis(latency.longest),
            "listens": service.registry.has_session(agent),
        })
    });
    let slowest: Vec<_> = slowest.collect();
    let configuration = service.configuration.load();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "origin": service.origin,
        "now": service.now().as_millis(),
        "ready": not_ready.is_none(),
        "reason": not_ready,
        "draining": service.readiness.is_draining(),
        "sample": summary::sample(service),
        "bounds": summary::bounds(service),
        "sessions": summary::sessions(service),
        "refusals": service.metrics.refusals.summary(),
        "process": service.metrics.process.summary(),
        "slowest": slowest,
        "trace_seconds": traces.keep().map(|keep| keep.as_secs()),
        "cells": service.cells().iter().map(cell).collect::<Vec<_>>(),
        "cluster": service.cluster_nodes().map(|nodes| nodes.iter().map(node).collect::<Vec<_>>()),
        "configuration": {"toml": configuration.toml, "pending_restart": configuration.pending_restart},
    })
}

fn cell(cell: &CellStatistics) -> Value {
    json!({
        "name": cell.name,
        "up": cell.is_up,
        "open": cell.is_open,
        "outages": cell.outages,
        "waiting": cell.waiting,
    })
}

fn node(node: &ClusterNode) -> Value {
    json!({
        "name": node.name,
        "version": node.version,
        "self": node.is_self,
        "alive": node.is_alive,
        "leads": node.leads,
        "uptime_ms": millis(node.uptime),
        "heartbeat_ms": millis(node.heartbeat_age),
        "differing": node.differing,
    })
}
