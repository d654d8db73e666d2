//! `Accept` and `Prefer`: lists that several headers may have parts of.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;
use webpush_core::header::{Preferences, accepts_explicitly};
use webpush_core::protocol::rfc8030::MonitorRequest;
use webpush_core::time::Timestamp;

use super::request;

pub(super) const TOKENS: &[&[u8]] = &[
    b"text/event-stream",
    b";q=0",
    b";q=0.001",
    b"*/*",
    b",",
    b"\"",
    b"\\",
    b"respond-async",
    b"wait=",
    b"wait=0",
    b"wait=\"10\"",
    b"99999999999999999999",
    b"accept: ",
    b"prefer: ",
    b"urgency: high",
];
const TYPE: &str = "text/event-stream";
const PREFER: HeaderName = HeaderName::from_static("prefer");

pub(super) fn run(input: &[u8]) {
    let (headers, _) = request::read(input);
    assert_accept(&headers);
    assert_prefer(&headers);
}

/// Each header counts for itself: a quotation mark that is left open does not reach into the next.
fn assert_accept(headers: &HeaderMap) {
    let is_accepted = |values: &[&HeaderValue]| accepts_explicitly(&request::headers(&ACCEPT, values), TYPE);
    let values: Vec<_> = headers.get_all(ACCEPT).iter().collect();
    let any = values.iter().any(|value| is_accepted(&[value]));
    assert_eq!(accepts_explicitly(headers, TYPE), any);
    let quoted = values.first().and_then(|value| with_prefix(r#"a/b;c="text/event-stream,", "#, value));
    if let Some(quoted) = quoted {
        assert_eq!(is_accepted(&[&quoted]), is_accepted(&values[..1]), "text in quotation marks counts");
    }
}

/// The first header that has a preference wins, and other preferences change nothing.
fn assert_prefer(headers: &HeaderMap) {
    let parse = |values: &[&HeaderValue]| Preferences::parse(&request::headers(&PREFER, values));
    let values: Vec<_> = headers.get_all(PREFER).iter().collect();
    let whole = Preferences::parse(headers);
    let parts: Vec<_> = values.iter().map(|value| parse(&[value])).collect();
    assert_eq!(whole.respond_async, parts.iter().any(|part| part.respond_async));
    assert_eq!(whole.wait, parts.iter().find_map(|part| part.wait));
    assert!(whole.wait.is_none_or(|wait| wait <= Duration::from_secs(86_400)));
    for value in &values {
        if let Some(quoted) = with_prefix(r#"x="\",wait=7", respond-async-not, "#, value) {
            assert_eq!(parse(&[&quoted]), parse(&[value]), "text in quotation marks counts");
        }
    }
    if let Ok(request) = MonitorRequest::parse(headers, Timestamp::default()) {
        assert_eq!(request.wait, whole.wait.map(|wait| wait.as_secs()));
    }
}

fn with_prefix(prefix: &str, value: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&[prefix.as_bytes(), value.as_bytes()].concat()).ok()
}
