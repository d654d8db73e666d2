//! Complete responses.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// A response with its whole body.
#[derive(Debug)]
pub struct FullResponse {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}
