//! Windows Push Notification Services of Microsoft.
//!
//! Headers and statuses are from "Push notification service request and response headers" in Microsoft's documentation, which
//! is about notifications of Windows apps; what differs for Web Push is from reports of senders.

use super::server_answer::Refusal;
use super::vapid::{self, VapidFault};
use super::{PushRequest, identifier, response};
use http::header::HeaderMap;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use webpush_http::answer::Answer;

const CACHE_POLICY: &str = "x-wns-cache-policy";
const REQUEST_FOR_STATUS: &str = "x-wns-requestforstatus";

const CONFLICT: &str = "Ttl value conflicts with X-WNS-Cache-Policy.";
const SIGNATURE: &str = "JWT Authentication Failed, unable to validate token signature";
const MISMATCH: &str = "The public key used to sign JWT does not match with the one included in channel Url";

/// Returns the token in the query of a push URL.
pub(super) fn token(uri: &Uri) -> Option<String> {
    if !matches!(uri.path(), "/w/" | "/w" | "/") {
        return None;
    }
    let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    let token = percent_decode_str(token).decode_utf8().ok()?;
    (!token.is_empty()).then(|| token.into_owned())
}

pub(super) fn refuse(request: &PushRequest<'_>) -> Option<Answer> {
    if let Err(fault) = vapid::check(request) {
        return Some(credentials(fault));
    }
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let is_zero = header("ttl")?.bytes().all(|byte| byte == b'0');
    // Caching is the default.
    let is_cached = !header(CACHE_POLICY).is_some_and(|policy| policy.eq_ignore_ascii_case("no-cache"));
    (is_zero == is_cached).then(|| dropped(StatusCode::BAD_REQUEST, Some(CONFLICT)))
}

fn credentials(fault: VapidFault) -> Answer {
    let description = match fault {
        VapidFault::Missing | VapidFault::Authorization | VapidFault::NoKey => None,
        VapidFault::Key(_) | VapidFault::Token | VapidFault::Signature => Some(SIGNATURE),
        VapidFault::NoAudience
        | VapidFault::Audience
        | VapidFault::NoExpiry
        | VapidFault::Expired
        | VapidFault::ExpiryTooFar => Some("JWT Authentication Failed"),
    };
    dropped(StatusCode::UNAUTHORIZED, description)
}

pub(super) fn accepted(request: &HeaderMap, location: &str) -> Answer {
    let mut headers = vec![("x-wns-status", "received"), ("x-wns-notificationstatus", "received")];
    let id = message_id(location);
    headers.push(("x-wns-msg-id", &id));
    if request.get(REQUEST_FOR_STATUS).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")) {
        headers.push(("x-wns-deviceconnectionstatus", "connected"));
    }
    response(StatusCode::CREATED, &headers, "")
}

pub(super) fn refused(refusal: &Refusal) -> Answer {
    let Refusal { status, detail, .. } = refusal;
    match &*refusal.problem {
        "vapid-required" => credentials(VapidFault::Missing),
        "vapid-invalid" => dropped(StatusCode::UNAUTHORIZED, Some(MISMATCH)),
        _ if *status == StatusCode::BAD_REQUEST => dropped(*status, Some(detail)),
        _ => fault(*status),
    }
}

pub(super) fn fault(status: StatusCode) -> Answer {
    match status {
        StatusCode::NOT_ACCEPTABLE | StatusCode::TOO_MANY_REQUESTS => ended(status, "channelthrottled", None),
        StatusCode::UNAUTHORIZED => dropped(status, Some(MISMATCH)),
        _ => dropped(status, None),
    }
}

fn dropped(status: StatusCode, description: Option<&str>) -> Answer {
    ended(status, "dropped", description)
}

fn ended(status: StatusCode, outcome: &str, description: Option<&str>) -> Answer {
    let mut headers = vec![("x-wns-status", outcome), ("x-wns-notificationstatus", outcome)];
    headers.extend(description.map(|description| ("x-wns-error-description", description)));
    response(status, &headers, "")
}

/// Returns 16 upper-case hexadecimal digits for the URL of a message.
fn message_id(location: &str) -> String {
    identifier(location).chars().take(16).collect()
}

#[cfg(test)]
mod tests;
