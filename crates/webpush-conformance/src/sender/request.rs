//! A request of a sender.

use bytes::Bytes;
use http::{HeaderMap, Method, Version};

/// A request to a push resource.
#[derive(Clone, Copy, Debug)]
pub struct SenderRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: &'a str,
    /// The HTTP version.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a Bytes,
}
