//! The inspector and the description of the API.

use super::typed;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use webpush_http::answer::Answer;

const INSPECTOR: &str = include_str!("inspector.html");
const SCRIPT: &str = include_str!("inspector.js");
const OPENAPI: &str = include_str!("openapi.json");

/// Nothing but this server, so that the text of a message can do no harm.
const POLICY: &str = "default-src 'none'; img-src data:; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn inspector() -> Answer {
    let mut page = typed("text/html; charset=utf-8", Bytes::from_static(INSPECTOR.as_bytes()));
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    page
}

pub(super) fn script() -> Answer {
    typed("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT.as_bytes()))
}

pub(super) fn openapi() -> Answer {
    typed("application/json", Bytes::from_static(OPENAPI.as_bytes()))
}
