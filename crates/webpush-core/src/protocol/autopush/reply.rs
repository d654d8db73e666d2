//! Formats messages to agents: compact JSON with `messageType` first, which some clients require.

use super::broadcasts::{BroadcastUpdate, NOT_FOUND};
use super::names::{push_channel, uaid};
use crate::base64url;
use crate::id::{ChannelId, InboxId};
use crate::message::Draft;
use crate::protocol::json::push_string;
use std::borrow::Cow;

/// The reply to a ping.
pub const PONG: &str = "{}";

/// Formats the reply to `hello`.
#[must_use]
pub fn hello(agent: InboxId, update: &BroadcastUpdate) -> String {
    let mut text = format!(
        r#"{{"messageType":"hello","uaid":"{}","status":200,"use_webpush":true,"broadcasts":"#,
        uaid(agent)
    );
    push_broadcasts(&mut text, update);
    text.push('}');
    text
}

/// Formats the reply to a successful `register`.
#[must_use]
pub fn registered(channel: &str, endpoint: &str) -> String {
    let mut text = status("register", Some(channel), 200);
    push_member(&mut text, "pushEndpoint", endpoint);
    text
}

/// Formats the reply to a refused `register`.
#[must_use]
pub fn not_registered(channel: &str, code: u16, reason: &str) -> String {
    let mut text = status("register", Some(channel), code);
    push_member(&mut text, "pushEndpoint", "");
    push_member(&mut text, "error", reason);
    text
}

/// Formats the reply to `unregister`.
#[must_use]
pub fn unregistered(channel: &str, code: u16) -> String {
    status("unregister", Some(channel), code)
}

/// Formats the reply to `urgency`.
#[must_use]
pub fn urgency(code: u16) -> String {
    status("urgency", None, code)
}

/// Formats changes of broadcasts.
#[must_use]
pub fn broadcast(update: &BroadcastUpdate) -> String {
    let mut text = String::from(r#"{"messageType":"broadcast","broadcasts":"#);
    push_broadcasts(&mut text, update);
    text.push('}');
    text
}

/// Formats a push message. TTL, topic and urgency are not forwarded (RFC 8030 §5.3, §5.4).
#[must_use]
pub fn notification(message: &Draft, id: ChannelId, version: &str) -> String {
    let mut text = String::with_capacity(256 + message.body.len() * 4 / 3);
    text.push_str(r#"{"messageType":"notification","channelID":""#);
    push_channel(&mut text, id);
    text.push_str(r#"","version":""#);
    text.push_str(version);
    text.push('"');
    if !message.body.is_empty() {
        text.push_str(r#","data":""#);
        base64url::push(&mut text, &message.body);
        text.push_str(r#"","headers":{"#);
        push_headers(&mut text, message);
        text.push('}');
    }
    text.push('}');
    text
}

/// Appends the headers that the agent needs to decrypt the body.
fn push_headers(text: &mut String, message: &Draft) {
    let mut separator = "";
    for (name, value) in message.encoding.headers() {
        let (name, value) = match name.as_str() {
            "content-encoding" => ("encoding", Cow::Borrowed(value.as_bytes())),
            "encryption" => ("encryption", bare(value.as_bytes()).into()),
            "crypto-key" => ("crypto_key", bare(value.as_bytes()).into()),
            _ => continue,
        };
        text.push_str(separator);
        push_string(text, name.as_bytes());
        text.push(':');
        push_string(text, &value);
        separator = ",";
    }
}

/// Removes quotes and base64 padding from parameters, since Firefox rejects padded values.
fn bare(parameters: &[u8]) -> Vec<u8> {
    let mut bare: Vec<u8> = Vec::with_capacity(parameters.len());
    let mut rest = parameters.iter().filter(|byte| **byte != b'"').peekable();
    while let Some(byte) = rest.next() {
        let ends_value = matches!(rest.peek(), None | Some(b'=' | b';' | b',' | b' ' | b'\t'));
        if *byte != b'=' || !ends_value {
            bare.push(*byte);
        }
    }
    bare
}

fn status(message_type: &str, channel: Option<&str>, code: u16) -> String {
    let mut text = format!(r#"{{"messageType":"{message_type}"}}"#);
    if let Some(channel) = channel {
        push_member(&mut text, "channelID", channel);
    }
    text.pop();
    text.push_str(&format!(r#","status":{code}}}"#));
    text
}

/// Adds a member to a complete object.
fn push_member(text: &mut String, name: &str, value: &str) {
    text.pop();
    text.push_str(&format!(r#","{name}":{}}}"#, serde_json::Value::from(value)));
}

/// Appends an object with the new versions, and the unknown broadcasts in the member [`NOT_FOUND`].
fn push_broadcasts(text: &mut String, update: &BroadcastUpdate) {
    let mut broadcasts: serde_json::Map<_, _> =
        update.changed.iter().map(|(name, version)| (name.clone(), version.as_str().into())).collect();
    if !update.unknown.is_empty() {
        let not_found = |name: &String| (name.clone(), "Broadcast not found".into());
        let errors = update.unknown.iter().map(not_found).collect();
        broadcasts.insert(NOT_FOUND.into(), serde_json::Value::Object(errors));
    }
    text.push_str(&serde_json::Value::Object(broadcasts).to_string());
}
