//! Messages as user agents receive them.

use http::HeaderMap;

/// A message, or a receipt, as it was delivered.
#[derive(Clone, Debug)]
pub(crate) struct DeliveredMessage {
    /// The promised URL.
    pub(crate) url: String,
    /// The promised method.
    pub(crate) method: String,
    /// The fields of the promise.
    pub(crate) request_headers: HeaderMap,
    /// The status code.
    pub(crate) status: u16,
    /// The header fields.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Promise and response.
    pub(crate) transcript: String,
}

/// Returns the bodies as text.
pub(crate) fn texts(messages: &[DeliveredMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}
