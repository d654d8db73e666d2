//! draft-thomson-webpush-http2 (2014), as the Node `webpush-server` of 2015 spoke it.
//!
//! | resource | in draft-02 | in draft-01 | here it is |
//! |---|---|---|---|
//! | `/devices/…` | registration | monitor | an agent's inbox; GET receives |
//! | `/devices/…/channels` | subscribe | channel | where POST makes a subscription |
//! | `/devices/…/channels/…` | subscription | | a subscription as its agent sees it; what promises name |
//! | `/updates/…` | | | a subscription as senders see it; PUT sends |
//!
//! There is no message resource: two messages of one channel are promised under the same path, and none is
//! acknowledged. Links are relative, as they were then.

use super::push_promise::{Acknowledgement, PushPromise};
use super::rfc8030;
use crate::capability::{Capability, KeyId, Keyring};
use crate::message::Draft;
use crate::time::Timestamp;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};
use std::time::Duration;

/// Where devices are registered. All that is made from it speaks this protocol.
pub const DEVICES: &str = "/devices";
/// The link relation of a registration (draft-02).
pub const REG_REL: &str = "urn:ietf:params:push:reg";
/// The link relation of where to subscribe (draft-02).
pub const SUB_REL: &str = "urn:ietf:params:push:sub";
/// The link relation of a registration (draft-01).
pub const MONITOR_REL: &str = "urn:ietf:params:push:monitor";
/// The link relation of where to subscribe (draft-01).
pub const CHANNEL_REL: &str = "urn:ietf:params:push:channel";
/// The link relation of a subscription. RFC 8030 uses the same words for what is `/updates/…` here.
pub const SUBSCRIPTION_REL: &str = "urn:ietf:params:push";

/// PINGs in turn that must be answered before a message counts as read. The first answer shows that the peer's HTTP/2
/// has it; the second, that the peer has had the time to reset it after that.
const PINGS: u8 = 2;

/// Whether a path is the entry or was made from it, be it one that grants nothing any more.
#[must_use]
pub fn is_legacy_path(path: &str) -> bool {
    let below = |front| path.strip_prefix(front).is_some_and(|rest: &str| rest.starts_with('/'));
    path == DEVICES || below(DEVICES) || below("/updates")
}

/// The links of a registration in the words of both drafts, those of 2015 first.
#[must_use]
pub fn registration_links(device: &str, channels: &str) -> String {
    let links = [(device, REG_REL), (channels, SUB_REL), (device, MONITOR_REL), (channels, CHANNEL_REL)];
    links.map(|(path, rel)| rfc8030::link("", path, rel)).join(", ")
}

/// The `Cache-Control` of a response about something that is kept for so long.
#[must_use]
pub fn kept_for(lifetime: Duration) -> String {
    format!("max-age={}, private", lifetime.as_secs())
}

/// A problem body (RFC 9457) with the members that errors had in 2015 beside its own; `None` if it is no JSON object.
#[must_use]
pub fn with_error_members(status: StatusCode, problem: &[u8]) -> Option<Bytes> {
    let mut body: serde_json::Map<_, _> = serde_json::from_slice(problem).ok()?;
    let message = body.get("detail").cloned().unwrap_or_default();
    body.insert("statusCode".into(), status.as_u16().into());
    body.insert("error".into(), status.canonical_reason().into());
    body.insert("message".into(), message);
    serde_json::to_vec(&body).ok().map(Bytes::from)
}

/// A message as the representation of its channel.
#[must_use]
pub fn message_response(message: &Draft) -> Response<Bytes> {
    let mut response = rfc8030::message_response(message);
    let unnamed = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().entry(CONTENT_TYPE).or_insert(unnamed);
    response
}

/// The promise is a GET of the channel.
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
