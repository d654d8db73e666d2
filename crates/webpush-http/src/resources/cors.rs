//! Cross-origin requests: any web page may use a capability URL, as a sender or an agent.

use crate::answer::{Answer, empty, with};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW,
    HeaderValue, VARY,
};
use http::{HeaderMap, Response, StatusCode};
use webpush_core::capability::is_capability_path;

/// Returns true if pages of any origin may use a resource: if its URL is a capability.
pub(crate) fn applies(path: &str) -> bool {
    is_capability_path(path)
}

/// Lets a page read the response and the headers that it needs.
pub(crate) fn expose<B>(answer: &mut Response<B>) {
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "Location, TTL, Link, Retry-After, WWW-Authenticate, Content-Encoding, Encryption, Crypto-Key, \
             Preference-Applied",
        ),
    );
}

/// Responds to OPTIONS. A preflight is granted the headers that it requests.
pub(crate) fn preflight(methods: &'static str, request: &HeaderMap) -> Answer {
    let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let fixed = [
        (ALLOW, HeaderValue::from_static(methods)),
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
        (VARY, HeaderValue::from_static("Access-Control-Request-Headers")),
    ];
    with(with(empty(StatusCode::NO_CONTENT), fixed), asked.map(|names| (ACCESS_CONTROL_ALLOW_HEADERS, names)))
}
