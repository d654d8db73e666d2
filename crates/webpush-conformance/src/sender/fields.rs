//! Method and header fields of a message (RFC 8030 §5).

use super::request::SenderRequest;
use crate::verdicts::Verdicts;
use http::header::HeaderName;
use http::{HeaderMap, Method};
use webpush_core::header::{Single, single};
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// The body that every push service accepts (RFC 8030 §7.2).
const MOST_BODY_BYTES: usize = 4096;

/// Checks what does not depend on the encryption.
pub(super) fn check(verdicts: &mut Verdicts, request: &SenderRequest<'_>, exchange: &str) {
    let method = request.method;
    verdicts.check("S8030-5-a", *method == Method::POST, "POST", || method.to_string(), exchange);
    let digits = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let ttl = HeaderName::from_static("ttl");
    verdicts.check(
        "S8030-5.2-a",
        matches!(single(request.headers, &ttl), Single::Value(value) if digits(value)),
        "one TTL, digits only",
        || shown(request.headers, &ttl),
        exchange,
    );
    let urgency = HeaderName::from_static("urgency");
    let is_urgency = |value: &[u8]| Urgency::parse(value).is_some();
    optional(verdicts, "S8030-5.3-a", request, &urgency, is_urgency, "one of four urgencies", exchange);
    let topic = HeaderName::from_static("topic");
    let is_topic = |value: &[u8]| Topic::parse(value).is_some();
    optional(verdicts, "S8030-5.4-a", request, &topic, is_topic, "one topic of 1 to 32 characters", exchange);
    let length = request.body.len();
    let fits = length <= MOST_BODY_BYTES;
    verdicts.check("S8030-7.2-a", fits, "at most 4096 bytes", || format!("{length} bytes"), exchange);
}

fn optional(
    verdicts: &mut Verdicts,
    id: &'static str,
    request: &SenderRequest<'_>,
    name: &HeaderName,
    is_valid: impl Fn(&[u8]) -> bool,
    expected: &str,
    exchange: &str,
) {
    let passed = match single(request.headers, name) {
        Single::Absent => return,
        Single::Value(value) => is_valid(value),
        Single::Repeated => false,
    };
    verdicts.check(id, passed, expected, || shown(request.headers, name), exchange);
}

/// Returns all values of a field.
pub(super) fn shown(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<_> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if values.is_empty() { format!("no {name}") } else { format!("{name}: {}", values.join(" and again ")) }
}
