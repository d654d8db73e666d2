//! The push service of Mozilla, which runs autopush-rs (`autoendpoint`).
//!
//! Status codes, error numbers and most messages are from its source; JWT errors carry the names of the crate `jsonwebtoken`.

use super::server_answer::{Refusal, reason};
use super::vapid::{self, VapidFault};
use super::{PushRequest, response};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap};
use serde_json::{Value, json};
use webpush_core::encoding::{CRYPTO_KEY, ENCRYPTION};
use webpush_http::answer::Answer;

const ORIGIN: &str = "https://updates.push.services.mozilla.com";
const MORE_INFO: &str = "http://autopush.readthedocs.io/en/latest/http.html#error-codes";

/// The number of errors of VAPID credentials.
const AUTHENTICATION: u16 = 109;
/// The number of errors of encryption headers.
const ENCRYPTION_HEADERS: u16 = 110;

const MISMATCH: &str = "VAPID public key mismatch";

/// The authentication schemes that autopush knows.
const SCHEMES: [&str; 3] = ["vapid", "webpush", "bearer"];

pub(super) fn refuse(request: &PushRequest<'_>) -> Option<Answer> {
    credentials(request).or_else(|| encryption(request))
}

/// Checks credentials, if there are any: subscriptions without a key need none.
fn credentials(request: &PushRequest<'_>) -> Option<Answer> {
    let header = text(request.headers, AUTHORIZATION.as_str())?;
    let scheme = header.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    if !SCHEMES.contains(&&*scheme) {
        return Some(unauthorized("Unknown auth scheme"));
    }
    let vapid = match vapid::check(request) {
        Ok(vapid) => vapid,
        Err(fault) => return Some(unacceptable(fault)),
    };
    if !vapid.claims.exp.as_ref().is_some_and(Value::is_u64)
        || !vapid.claims.aud.as_ref().is_some_and(Value::is_string)
    {
        return Some(unacceptable(VapidFault::NoExpiry));
    }
    // Compared as text, unlike ours.
    (vapid.claims.aud != Some(json!(request.origin))).then(|| unacceptable(VapidFault::Audience))
}

fn unacceptable(fault: VapidFault) -> Answer {
    match fault {
        VapidFault::Missing => {
            error(StatusCode::BAD_REQUEST, Some(ENCRYPTION_HEADERS), "Missing p256ecdsa in Crypto-Key header")
        }
        VapidFault::Authorization => unauthorized("Missing VAPID token"),
        VapidFault::NoKey => unauthorized("Missing VAPID public key"),
        VapidFault::Key(fault) => unauthorized(&format!("Invalid VAPID public key: {fault}")),
        VapidFault::Token => unauthorized("InvalidToken"),
        VapidFault::Signature => unauthorized("InvalidSignature"),
        VapidFault::Audience => unauthorized("Invalid VAPID audience"),
        VapidFault::NoAudience | VapidFault::NoExpiry => unauthorized(
            "Invalid VAPID token: A value in the vapid claims is either missing or incorrectly specified (e.g. \
             \"exp\":\"12345\" or \"sub\":null). Please correct and retry.",
        ),
        VapidFault::Expired => unauthorized("ExpiredSignature"),
        VapidFault::ExpiryTooFar => unauthorized("The VAPID token expiration is too long"),
    }
}

/// Checks the encryption headers, which a message without a body does not need.
fn encryption(request: &PushRequest<'_>) -> Option<Answer> {
    if request.body.is_empty() {
        return None;
    }
    let header = |name: &str| text(request.headers, name);
    let has = |name: &str, parameter: &str| {
        header(name).is_some_and(|value| {
            value.split([';', ',']).any(|part| part.trim().split('=').next() == Some(parameter))
        })
    };
    let problem = match header(CONTENT_ENCODING.as_str()) {
        None => "Missing Content-Encoding header",
        Some("aes128gcm") if has(ENCRYPTION.as_str(), "salt") => {
            "Do not include 'salt' header in aes128gcm Encryption header"
        }
        Some("aes128gcm") if has(CRYPTO_KEY.as_str(), "dh") => {
            "Do not include 'dh' header in aes128gcm Crypto-Key header"
        }
        Some("aesgcm" | "aes128gcm") => return None,
        Some(_) => "Unknown Content-Encoding header",
    };
    Some(error(StatusCode::BAD_REQUEST, Some(ENCRYPTION_HEADERS), problem))
}

pub(super) fn accepted(location: &str, ttl: &str) -> Answer {
    let id = location.rsplit('/').next().unwrap_or_default();
    let location = format!("{ORIGIN}/m/{id}");
    response(StatusCode::CREATED, &[("location", &location), ("ttl", ttl)], "")
}

pub(super) fn refused(refusal: &Refusal) -> Answer {
    let Refusal { status, errno, detail, .. } = refusal;
    match &*refusal.problem {
        "vapid-required" => unauthorized("Missing VAPID public key"),
        "vapid-invalid" => unauthorized(MISMATCH),
        "ttl-missing" => error(*status, Some(111), "Missing TTL value"),
        "ttl-malformed" if *errno == Some(114) => error(*status, *errno, "ttl: TTL must be greater than 0"),
        "ttl-malformed" => error(*status, Some(111), "Missing TTL value"),
        "topic-malformed" => {
            error(*status, Some(113), "topic: Topic must be URL and Filename safe Base64 alphabet")
        }
        "not-found" | "gone" => fault(*status),
        _ if *status == StatusCode::SERVICE_UNAVAILABLE => fault(*status),
        _ => error(*status, *errno, detail),
    }
}

pub(super) fn fault(status: StatusCode) -> Answer {
    let (errno, message) = match status.as_u16() {
        401 => return unauthorized(MISMATCH),
        404 => (Some(102), "Invalid token"),
        410 => (Some(106), "No such subscription"),
        413 => (Some(104), ""),
        500 => (Some(999), ""),
        502 => (Some(902), ""),
        503 => (Some(201), ""),
        _ => (None, ""),
    };
    let phrase = reason(status);
    error(status, errno, if message.is_empty() { &phrase } else { message })
}

fn unauthorized(message: &str) -> Answer {
    error(StatusCode::UNAUTHORIZED, Some(AUTHENTICATION), message)
}

fn error(status: StatusCode, errno: Option<u16>, message: &str) -> Answer {
    let body = json!({
        "code": status.as_u16(), "errno": errno, "error": reason(status), "message": message,
        "more_info": MORE_INFO,
    });
    let mut headers = vec![("content-type", "application/json")];
    match status {
        StatusCode::GONE => headers.push(("cache-control", "max-age=86400")),
        StatusCode::SERVICE_UNAVAILABLE => headers.push(("retry-after", "120")),
        _ => {}
    }
    response(status, &headers, body.to_string())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
