//! Firebase Cloud Messaging of Google.
//!
//! The texts of 403 responses are those that Chromium knows (`components/gcm_driver/web_push_common.cc`). Others are from
//! reports of senders. A text that nobody has reported is our server's own.

use super::server_answer::{Refusal, reason};
use super::vapid::{self, VapidFault};
use super::{PushRequest, identifier, response};
use http::StatusCode;
use webpush_core::sender::SenderKeyError;
use webpush_http::answer::Answer;

/// Maximum length of a body: what every push service must accept (RFC 8030 §7.2), and no more.
const BODY_BYTES: usize = 4096;
/// Maximum TTL in seconds: four weeks.
const MAX_TTL_SECONDS: u64 = 2_419_200;

const MISMATCH: &str = "the VAPID credentials in the authorization header do not correspond to the credentials used to \
                        create the subscriptions.";
const UNKNOWN: &str = "A valid push subscription endpoint should be specified in the URL as such: \
                       https://fcm.googleapis.com/wp/dHIoDxE7Hdg:APA91bH1Zj0kNa...";

/// Headers of all responses.
const COMMON: [(&str, &str); 3] =
    [("x-content-type-options", "nosniff"), ("x-frame-options", "SAMEORIGIN"), ("x-xss-protection", "0")];

pub(super) fn refuse(request: &PushRequest<'_>) -> Option<Answer> {
    if let Err(fault) = vapid::check(request) {
        return Some(credentials(fault));
    }
    if request.body.len() > BODY_BYTES {
        return Some(text(StatusCode::BAD_REQUEST, "The body exceeds the limit of 4096 bytes."));
    }
    let ttl: Option<u64> = request.headers.get("ttl").and_then(|ttl| ttl.to_str().ok()?.parse().ok());
    if ttl.is_some_and(|ttl| ttl > MAX_TTL_SECONDS) {
        return Some(text(StatusCode::BAD_REQUEST, "TTL must be between 0 and 2419200."));
    }
    None
}

pub(super) fn accepted(location: &str) -> Answer {
    let (number, suffix) = message_id(location);
    let location = format!("https://fcm.googleapis.com/0:{number}%{suffix}");
    let headers = [("location", &*location), ("content-type", "text/html; charset=UTF-8")];
    response(StatusCode::CREATED, &[&headers[..], &COMMON].concat(), "")
}

pub(super) fn refused(refusal: &Refusal) -> Answer {
    let Refusal { status, detail, .. } = refusal;
    match &*refusal.problem {
        "vapid-required" => credentials(VapidFault::Missing),
        "vapid-invalid" => text(StatusCode::FORBIDDEN, MISMATCH),
        "not-found" | "gone" => fault(*status),
        "body-too-large" => text(StatusCode::BAD_REQUEST, detail),
        _ if status.is_server_error() => fault(*status),
        _ => text(*status, detail),
    }
}

pub(super) fn fault(status: StatusCode) -> Answer {
    match status.as_u16() {
        401 => credentials(VapidFault::Missing),
        403 => text(status, MISMATCH),
        404 => text(status, UNKNOWN),
        410 => text(status, "push subscription has unsubscribed or expired."),
        500.. => page(status),
        _ => text(status, &reason(status)),
    }
}

fn credentials(fault: VapidFault) -> Answer {
    let reason = match fault {
        VapidFault::Missing => {
            return text(StatusCode::UNAUTHORIZED, "authorization header must be specified.");
        }
        VapidFault::Authorization => {
            "authorization header had invalid format. authorization header should have the following format: \
             t=jwtToken; k=base64(publicApplicationServerKey)"
        }
        VapidFault::NoKey => {
            "authorization header had no public application server key specified. Authorization header should have \
             the following format: vapid t=jwtToken; k=base64(publicApplicationServerKey)"
        }
        VapidFault::Key(SenderKeyError::Encoding) => {
            "make sure the public key is base64url-encoded [RFC7515]"
        }
        VapidFault::Key(SenderKeyError::Length) => "public key must be 65 bytes long",
        VapidFault::Key(SenderKeyError::Form) => {
            "public key must be in uncompressed form. (First byte needs to be 0x04)"
        }
        VapidFault::Key(SenderKeyError::OffCurve) => "VAPID public key must be on the P-256 curve",
        VapidFault::Token | VapidFault::Signature => "invalid JWT provided",
        VapidFault::NoAudience => "invalid aud claim",
        VapidFault::Audience => "aud claim in the token MUST include the origin of the push resource URL",
        VapidFault::NoExpiry => "exp claim is missing",
        VapidFault::Expired => "token has expired",
        VapidFault::ExpiryTooFar => "exp claim MUST NOT be more than 24 hours from the time of the request",
    };
    text(StatusCode::FORBIDDEN, reason)
}

fn text(status: StatusCode, line: &str) -> Answer {
    let headers = [("content-type", "text/plain; charset=utf-8")];
    response(status, &[&headers[..], &COMMON].concat(), format!("{line}\n"))
}

fn page(status: StatusCode) -> Answer {
    let (code, title) = (status.as_u16(), reason(status));
    let html = format!(
        "<HTML>\n<HEAD>\n<TITLE>{title}</TITLE>\n</HEAD>\n<BODY BGCOLOR=\"#FFFFFF\" TEXT=\"#000000\">\n\
         <H1>{title}</H1>\n<H2>Error {code}</H2>\n</BODY>\n</HTML>\n"
    );
    let headers = [("content-type", "text/html; charset=UTF-8")];
    response(status, &[&headers[..], &COMMON].concat(), html)
}

/// Returns 16 digits and 16 hexadecimal digits, as the ID of a message has, for the URL of a message.
fn message_id(location: &str) -> (String, String) {
    let id = identifier(location).to_ascii_lowercase();
    let (number, suffix) = id.split_at(16);
    let number = u64::from_str_radix(number, 16).unwrap_or_default() % 10_000_000_000_000_000;
    (format!("{number:016}"), suffix.to_owned())
}

#[cfg(test)]
mod tests;
