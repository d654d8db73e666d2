//! The push service of Apple.
//!
//! Reasons and statuses are from "Sending web push notifications in web apps and browsers" in Apple's documentation, the rest
//! from reports of senders.

use super::server_answer::Refusal;
use super::vapid::{self, VapidClaims, VapidFault};
use super::{PushRequest, identifier, response};
use http::{StatusCode, Uri};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::sender::CredentialsForm;
use webpush_http::answer::Answer;

/// Number of the next response without a message, for its ID.
static NEXT: AtomicU64 = AtomicU64::new(0);

pub(super) fn refuse(request: &PushRequest<'_>) -> Option<Answer> {
    match vapid::check(request) {
        Ok(vapid) if vapid.form == CredentialsForm::Draft01 => {
            return Some(forbidden("BadAuthorizationHeader"));
        }
        Ok(vapid) if !has_real_subject(&vapid.claims) => return Some(forbidden("BadJwtToken")),
        Ok(_) => {}
        Err(fault) => return Some(credentials(fault)),
    }
    let topic = request.headers.get("topic").and_then(|topic| topic.to_str().ok());
    // Apple decodes the topic, and no base64url text has such a length.
    topic.is_some_and(|topic| topic.len() % 4 == 1).then(|| error(StatusCode::BAD_REQUEST, "BadWebPushTopic"))
}

fn credentials(fault: VapidFault) -> Answer {
    match fault {
        VapidFault::Missing | VapidFault::Authorization | VapidFault::NoKey => {
            forbidden("BadAuthorizationHeader")
        }
        VapidFault::Key(_) => forbidden("BadVapidPublicKey"),
        VapidFault::Token
        | VapidFault::Signature
        | VapidFault::NoAudience
        | VapidFault::Audience
        | VapidFault::NoExpiry
        | VapidFault::Expired
        | VapidFault::ExpiryTooFar => forbidden("BadJwtToken"),
    }
}

/// Returns true if the subject is a `mailto:` or `https:` URL whose host is not this machine.
fn has_real_subject(claims: &VapidClaims) -> bool {
    let Some(subject) = claims.sub.as_ref().and_then(Value::as_str) else { return false };
    let host = match subject.strip_prefix("mailto:") {
        // Apple refuses `mailto: <me@example.com>`.
        Some(address) if address.contains([' ', '<', '>']) => None,
        Some(address) => address.rsplit_once('@').map(|(_, host)| host.to_owned()),
        None => {
            let url = subject.parse::<Uri>().ok().filter(|url| url.scheme_str() == Some("https"));
            url.and_then(|url| url.host().map(str::to_owned))
        }
    };
    host.is_some_and(|host| {
        let host = super::canonical(&host);
        !host.is_empty() && host != "localhost" && !host.ends_with(".localhost")
    })
}

pub(super) fn accepted(location: &str) -> Answer {
    response(StatusCode::CREATED, &[("apns-id", &uuid(location))], "")
}

pub(super) fn refused(refusal: &Refusal) -> Answer {
    match &*refusal.problem {
        "vapid-required" => credentials(VapidFault::Missing),
        "vapid-invalid" => error(StatusCode::BAD_REQUEST, "VapidPkHashMismatch"),
        "ttl-missing" | "ttl-malformed" => error(StatusCode::BAD_REQUEST, "BadTtl"),
        "urgency-malformed" => error(StatusCode::BAD_REQUEST, "BadUrgency"),
        "topic-malformed" => error(StatusCode::BAD_REQUEST, "BadWebPushTopic"),
        _ => fault(refusal.status),
    }
}

pub(super) fn fault(status: StatusCode) -> Answer {
    let reason = match status.as_u16() {
        401 | 403 => "BadJwtToken",
        404 => "BadPath",
        405 => "MethodNotAllowed",
        410 => "Unregistered",
        413 => "PayloadTooLarge",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        500.. => "InternalServerError",
        _ => "BadWebPushRequest",
    };
    error(status, reason)
}

fn forbidden(reason: &str) -> Answer {
    error(StatusCode::FORBIDDEN, reason)
}

fn error(status: StatusCode, reason: &str) -> Answer {
    let id = uuid(&NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    let headers = [("content-type", "application/json; charset=utf-8"), ("apns-id", &*id)];
    response(status, &headers, json!({ "reason": reason }).to_string())
}

/// Returns an ID in the form of a UUID that depends only on `text`.
fn uuid(text: &str) -> String {
    let hex = identifier(text);
    let parts: Vec<&str> =
        [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|part| hex.get(part)).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests;
