//! Message traces: the stages a message has reached, and why it waits. Responses have only log IDs.

use super::Admin;
use super::error::AdminError;
use super::reply::{self, Reply};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use std::time::Duration;
use webpush_core::capability::Capability;
use webpush_core::id::EntryRef;
use webpush_core::protocol::autopush::names;
use webpush_http::body::Body;
use webpush_service::log_ids::LogId;
use webpush_service::service::Service;
use webpush_service::trace::state::{MessageState, message_state};
use webpush_service::trace::{STAGES, Trace};

/// Maximum length of the request body, more than that of a message URL with the longest origin.
const MAX_URL_BYTES: usize = 4096;

/// Serves `GET /admin/messages/ID`, where ID is a log ID.
pub(super) async fn by_log_id(admin: &Admin, log_id: &str) -> Result<Reply, AdminError> {
    let service = &admin.service;
    let log_id: LogId = log_id.parse().map_err(AdminError::bad_request)?;
    let keep = service.traces.keep().ok_or(AdminError::TracingDisabled)?;
    let trace = service.traces.find(service.log_ids.message_id(log_id));
    let trace = trace.ok_or_else(|| AdminError::not_traced(keep, None))?;
    reply::json(&report(service, &trace).await)
}

/// Serves `POST /admin/trace`: the body is a message URL, or the `version` of an autopush message.
pub(super) async fn by_url(admin: &Admin, headers: &HeaderMap, body: &mut Body) -> Result<Reply, AdminError> {
    let service = &admin.service;
    let url = body.read(headers, MAX_URL_BYTES).await;
    let url = url.map_err(|_| AdminError::bad_request("the body must be a message URL or a version"))?;
    let entry = resolve(service, String::from_utf8_lossy(&url).trim()).map_err(AdminError::bad_request)?;
    let keep = service.traces.keep().ok_or(AdminError::TracingDisabled)?;
    let Some(trace) = service.traces.find(entry.message) else {
        let is_stored = service.entry(&entry).await.ok().map(|found| found.is_some());
        return Err(AdminError::not_traced(keep, is_stored));
    };
    reply::json(&report(service, &trace).await)
}

/// Resolves a message URL or a `version`. Errors do not quote the text.
fn resolve(service: &Service, text: &str) -> Result<EntryRef, String> {
    if !text.contains('/') {
        return names::message(text, &service.keyring)
            .ok_or_else(|| "this is neither a message URL nor a version of this server".to_owned());
    }
    let uri: Uri = text.parse().map_err(|_| "this is not a URL".to_owned())?;
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        && !format!("{scheme}://{authority}").eq_ignore_ascii_case(service.site())
    {
        let origin = service.site();
        return Err(format!("this is a URL of {scheme}://{authority}, and this server is {origin}"));
    }
    match service.keyring.open_below(uri.path()) {
        Some(Capability::Message(entry)) => Ok(entry),
        Some(_) => {
            Err("this is a URL of this server, but not of a message: senders receive message URLs as Location in the \
                 response to a push"
                .to_owned())
        }
        None => {
            Err("this is not a message URL of this server: it is truncated, or sealed with other keys".to_owned())
        }
    }
}

/// Returns the trace and current state of a message.
pub(super) async fn report(service: &Service, trace: &Trace) -> Value {
    let names = &service.log_ids;
    let MessageState { state, reason, is_final } = message_state(service, trace).await;
    let steps = STAGES.into_iter().filter_map(|stage| {
        let at = trace.at(stage)?;
        let after = at.saturating_sub(trace.accepted());
        let at = trace.accepted_at.after(after).rfc3339();
        Some(json!({"step": stage.as_str(), "at": at, "ms": millis(after)}))
    });
    json!({
        "message": names.message(trace.entry.message).to_string(),
        "agent": names.inbox(trace.entry.inbox).to_string(),
        "protocol": trace.protocol.as_str(),
        "urgency": trace.urgency.as_str(),
        "stored": !trace.is_now_or_never,
        "steps": steps.collect::<Vec<_>>(),
        "written": trace.written,
        "code": trace.code,
        "state": state,
        "reason": reason,
        "final": is_final,
    })
}

/// Converts to milliseconds with three decimals.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
