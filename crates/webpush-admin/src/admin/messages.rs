//! Where one message is: the stages it has reached, and why it goes no further. Only log IDs are shown.

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
use webpush_service::pseudonyms::Pseudonym;
use webpush_service::service::Service;
use webpush_service::trace::state::{MessageState, message_state};
use webpush_service::trace::{STAGES, Trace};

/// More than the URL of a message has with the longest origin.
const MOST_URL_BYTES: usize = 4096;

/// Serves `GET /admin/messages/ID`, where ID is a log ID.
pub(super) async fn by_log_id(admin: &Admin, log_id: &str) -> Result<Reply, AdminError> {
    let service = &admin.service;
    let log_id: Pseudonym = log_id.parse().map_err(AdminError::bad_request)?;
    let keep = service.traces.keep().ok_or(AdminError::TracingDisabled)?;
    let trace = service.traces.find(service.pseudonyms.message_id(log_id));
    let trace = trace.ok_or_else(|| AdminError::not_traced(keep, None))?;
    reply::json(&report(service, &trace).await)
}

/// `POST /admin/trace`: the body is the URL that its sender got, or the `version` that its agent got.
pub(super) async fn by_url(admin: &Admin, headers: &HeaderMap, body: &mut Body) -> Result<Reply, AdminError> {
    let service = &admin.service;
    let url = body.read(headers, MOST_URL_BYTES).await;
    let url =
        url.map_err(|_| AdminError::bad_request("the body is the URL of a message, and this one is not"))?;
    let entry = opened(service, String::from_utf8_lossy(&url).trim()).map_err(AdminError::bad_request)?;
    let keep = service.traces.keep().ok_or(AdminError::TracingDisabled)?;
    let Some(trace) = service.traces.find(entry.message) else {
        let is_stored = service.entry(&entry).await.ok().map(|found| found.is_some());
        return Err(AdminError::not_traced(keep, is_stored));
    };
    reply::json(&report(service, &trace).await)
}

/// The message that a URL or a `version` means; nothing of what was given is repeated.
fn opened(service: &Service, text: &str) -> Result<EntryRef, String> {
    if !text.contains('/') {
        return names::message(text, &service.keyring)
            .ok_or_else(|| "this is neither the URL of a message nor a version of this service".to_owned());
    }
    let uri: Uri = text.parse().map_err(|_| "this is not a URL".to_owned())?;
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        && !format!("{scheme}://{authority}").eq_ignore_ascii_case(&service.origin)
    {
        let origin = &service.origin;
        return Err(format!("this is a URL of {scheme}://{authority}, and the service is {origin}"));
    }
    match service.keyring.open(uri.path()) {
        Some(Capability::Message(entry)) => Ok(entry),
        Some(_) => {
            Err("this is a URL of this service, but not that of a message, which a sender gets as Location \
                        in the answer to its push"
                .to_owned())
        }
        None => {
            Err("this is not the URL of a message of this service: it was cut, or sealed with other keys"
                .to_owned())
        }
    }
}

/// All that is known of a message.
pub(super) async fn report(service: &Service, trace: &Trace) -> Value {
    let names = &service.pseudonyms;
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

/// With microseconds.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
