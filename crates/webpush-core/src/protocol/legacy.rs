//! The legacy (2015) API: draft-thomson-webpush-http2 as the Node `webpush-server` had it.
//!
//! | resource | draft-02 | draft-01 | meaning |
//! |---|---|---|---|
//! | `/devices/…` | registration | monitor | the inbox of an agent; GET receives |
//! | `/devices/…/channels` | subscribe | channel | POST creates a subscription |
//! | `/devices/…/channels/…` | subscription | | a subscription, for its agent; the path of its promises |
//! | `/updates/…` | | | a subscription, for senders; PUT sends |
//!
//! Messages have no resource of their own: all messages of a channel are promised under the same path, and none is
//! acknowledged. Links are relative, as in 2015.

use super::push_promise::{Acknowledgement, PushPromise};
use super::rfc8030;
use crate::capability::{Capability, KeyId, Keyring};
use crate::message::Draft;
use crate::time::Timestamp;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};
use std::time::Duration;

/// The resource at which devices register.
pub const DEVICES: &str = "/devices";
/// The link relation of a registration (draft-02).
pub const REG_REL: &str = "urn:ietf:params:push:reg";
/// The link relation of the subscribe resource (draft-02).
pub const SUB_REL: &str = "urn:ietf:params:push:sub";
/// The link relation of a registration (draft-01).
pub const MONITOR_REL: &str = "urn:ietf:params:push:monitor";
/// The link relation of the subscribe resource (draft-01).
pub const CHANNEL_REL: &str = "urn:ietf:params:push:channel";
/// The link relation of a subscription. RFC 8030 uses it for push resources, `/updates/…` here.
pub const SUBSCRIPTION_REL: &str = "urn:ietf:params:push";

/// Consecutive PINGs that must be acknowledged before a message counts as delivered.
///
/// The first acknowledgement shows that the peer has received the message; the second, that it had time to reset the
/// stream.
const PINGS: u8 = 2;

/// Returns true if a path belongs to the legacy API. The resource need not exist.
#[must_use]
pub fn is_legacy_path(path: &str) -> bool {
    let below = |front| path.strip_prefix(front).is_some_and(|rest: &str| rest.starts_with('/'));
    path == DEVICES || below(DEVICES) || below("/updates")
}

/// Returns the links of a registration with the relations of both drafts, draft-02 first.
///
/// They are relative, and begin with `base`.
#[must_use]
pub fn registration_links(base: &str, device: &str, channels: &str) -> String {
    let links = [(device, REG_REL), (channels, SUB_REL), (device, MONITOR_REL), (channels, CHANNEL_REL)];
    links.map(|(path, rel)| rfc8030::link(base, path, rel)).join(", ")
}

/// Returns the `Cache-Control` of a resource with this lifetime.
#[must_use]
pub fn cache_control(lifetime: Duration) -> String {
    format!("max-age={}, private", lifetime.as_secs())
}

/// Adds the error members of the legacy API to a problem document (RFC 9457).
///
/// Returns `None` if it is not a JSON object.
#[must_use]
pub fn with_error_members(status: StatusCode, problem: &[u8]) -> Option<Bytes> {
    let mut body: serde_json::Map<_, _> = serde_json::from_slice(problem).ok()?;
    let message = body.get("detail").cloned().unwrap_or_default();
    body.insert("statusCode".into(), status.as_u16().into());
    body.insert("error".into(), status.canonical_reason().into());
    body.insert("message".into(), message);
    serde_json::to_vec(&body).ok().map(Bytes::from)
}

/// Returns a message as the representation of its channel.
#[must_use]
pub fn message_response(message: &Draft) -> Response<Bytes> {
    let mut response = rfc8030::message_response(message);
    let default = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().entry(CONTENT_TYPE).or_insert(default);
    response
}

/// Renders a message as a promised GET of its channel.
pub(super) fn push_message(
    message: &Draft,
    channel_key: KeyId,
    keyring: &Keyring,
    now: Timestamp,
) -> Option<PushPromise> {
    let channel = Capability::Channel(message.agent, message.subscription);
    let path = keyring.path(&channel, channel_key)?;
    let mut response = message_response(message);
    response.headers_mut().insert(DATE, rfc8030::http_date(now)?);
    Some(PushPromise { path, link: None, response, acknowledgement: Acknowledgement::ByPings(PINGS) })
}

#[cfg(test)]
mod tests;
