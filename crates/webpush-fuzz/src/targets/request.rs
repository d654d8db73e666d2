//! Requests as text: lines of headers, an empty line, and the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads a request.
///
/// Lines that are not headers are skipped, as HTTP refuses them before any of our parsers.
pub(super) fn read(input: &[u8]) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = line[colon + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    (headers, Bytes::copy_from_slice(rest))
}

/// Returns headers with one name and these values.
pub(super) fn headers(name: &HeaderName, values: &[&HeaderValue]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), (*value).clone())).collect()
}
