//! The messages of MCS.
//!
//! Each side counts the frames that it has sent and received. A message says how many of the peer's frames have arrived
//! (`last_stream_id_received`), which acknowledges all of them.

use super::DeviceCredentials;
use super::frame::{McsFrame, frame};
use super::protobuf::{FieldValue, Malformed, ProtobufFields, push_bytes, push_integer};
use crate::base64url;
use crate::message::Draft;
use crate::subscription::{ChromiumApp, SenderKey};
use crate::time::Timestamp;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use std::time::Duration;

const HEARTBEAT_PING: u8 = 0;
const HEARTBEAT_ACK: u8 = 1;
const LOGIN_REQUEST: u8 = 2;
const LOGIN_RESPONSE: u8 = 3;
const CLOSE: u8 = 4;
const IQ_STANZA: u8 = 7;
const DATA_MESSAGE_STANZA: u8 = 8;

/// Types of extensions in an `IqStanza`.
const SELECTIVE_ACK: u64 = 12;
const STREAM_ACK: u64 = 13;
/// The type of an `IqStanza` that needs no response.
const SET: u64 = 1;
/// The error code of a refused login: as HTTP's.
const UNAUTHORIZED: u64 = 401;

/// A message of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStanza<'a> {
    /// How many frames of the service the agent has received; 0 if it does not say.
    pub received: u32,
    /// The message itself.
    pub kind: StanzaKind<'a>,
}

/// The kind of a message of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StanzaKind<'a> {
    /// The first message.
    Login {
        /// The credentials; `None` if they are malformed.
        credentials: Option<DeviceCredentials>,
        /// The `persistent_id`s of messages that arrived before.
        received_ids: Vec<&'a str>,
    },
    /// Asks for a heartbeat acknowledgement.
    HeartbeatPing,
    /// Answers a heartbeat.
    HeartbeatAck,
    /// Acknowledges messages with these `persistent_id`s, or only by its `received`.
    Acknowledgement(Vec<&'a str>),
    /// A message for another service, which this one does not have.
    Data,
    /// The agent closes the connection.
    Close,
    /// Anything else.
    Other,
}

impl<'a> AgentStanza<'a> {
    /// Parses a frame; `None` if it is malformed.
    #[must_use]
    pub fn parse(frame: McsFrame<'a>) -> Option<Self> {
        let stanza = match frame.tag {
            LOGIN_REQUEST => Self::login(frame.body),
            HEARTBEAT_PING => Self::counted(frame.body, 2, StanzaKind::HeartbeatPing),
            HEARTBEAT_ACK => Self::counted(frame.body, 2, StanzaKind::HeartbeatAck),
            IQ_STANZA => Self::iq(frame.body),
            DATA_MESSAGE_STANZA => Self::counted(frame.body, 11, StanzaKind::Data),
            CLOSE => Ok(Self { received: 0, kind: StanzaKind::Close }),
            _ => Ok(Self { received: 0, kind: StanzaKind::Other }),
        };
        stanza.ok()
    }

    fn login(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut user, mut token, mut received_ids) = ("", "", Vec::new());
        for field in ProtobufFields(body) {
            match field? {
                (3, FieldValue::Bytes(text)) => user = utf8(text)?,
                (5, FieldValue::Bytes(text)) => token = utf8(text)?,
                (10, FieldValue::Bytes(id)) => received_ids.push(utf8(id)?),
                _ => {}
            }
        }
        let credentials = DeviceCredentials::parse(user, token);
        Ok(Self { received: 0, kind: StanzaKind::Login { credentials, received_ids } })
    }

    /// Parses a message of which only the number of received frames is needed.
    fn counted(body: &[u8], field: u64, kind: StanzaKind<'a>) -> Result<Self, Malformed> {
        let mut received = 0;
        for found in ProtobufFields(body) {
            match found? {
                (number, FieldValue::Varint(frames)) if number == field => received = count(frames),
                _ => {}
            }
        }
        Ok(Self { received, kind })
    }

    fn iq(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut received, mut extension) = (0, &[][..]);
        for field in ProtobufFields(body) {
            match field? {
                (7, FieldValue::Bytes(bytes)) => extension = bytes,
                (10, FieldValue::Varint(frames)) => received = count(frames),
                _ => {}
            }
        }
        let (mut id, mut data) = (0, &[][..]);
        for field in ProtobufFields(extension) {
            match field? {
                (1, FieldValue::Varint(number)) => id = number,
                (2, FieldValue::Bytes(bytes)) => data = bytes,
                _ => {}
            }
        }
        let mut ids = Vec::new();
        if id == SELECTIVE_ACK {
            for field in ProtobufFields(data) {
                if let (1, FieldValue::Bytes(id)) = field? {
                    ids.push(utf8(id)?);
                }
            }
        }
        Ok(Self { received, kind: StanzaKind::Acknowledgement(ids) })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(bytes).map_err(|_| Malformed)
}

/// A count is an `int32`; a negative one counts as none.
fn count(frames: u64) -> u32 {
    u32::try_from(frames).unwrap_or_default()
}

/// Formats the response to a login, which follows the version byte.
///
/// The agent sends heartbeats at the interval.
#[must_use]
pub fn logged_in(heartbeat: Duration, now: Timestamp) -> Vec<u8> {
    let (mut body, mut config) = (Vec::new(), Vec::new());
    push_bytes(&mut body, 1, b"webpush-server");
    // The login, the first frame of the agent, was received.
    push_integer(&mut body, 6, 1);
    push_integer(&mut config, 3, int32(heartbeat.as_millis()));
    push_bytes(&mut body, 7, &config);
    push_integer(&mut body, 8, now.as_millis());
    frame(LOGIN_RESPONSE, &body)
}

/// Formats the refusal of a login.
#[must_use]
pub fn login_refused(reason: &str) -> Vec<u8> {
    let (mut body, mut error) = (Vec::new(), Vec::new());
    push_bytes(&mut body, 1, b"webpush-server");
    push_integer(&mut error, 1, UNAUTHORIZED);
    push_bytes(&mut error, 2, reason.as_bytes());
    push_bytes(&mut body, 3, &error);
    frame(LOGIN_RESPONSE, &body)
}

/// Formats a heartbeat, after `received` frames of the agent.
#[must_use]
pub fn heartbeat_ping(received: u32) -> Vec<u8> {
    counted(HEARTBEAT_PING, 2, received)
}

/// Formats the answer to a heartbeat.
#[must_use]
pub fn heartbeat_ack(received: u32) -> Vec<u8> {
    counted(HEARTBEAT_ACK, 2, received)
}

fn counted(tag: u8, field: u64, received: u32) -> Vec<u8> {
    let mut body = Vec::new();
    push_integer(&mut body, field, received.into());
    frame(tag, &body)
}

/// Formats an acknowledgement of the agent's messages.
#[must_use]
pub fn stream_ack(received: u32) -> Vec<u8> {
    let (mut body, mut extension) = (Vec::new(), Vec::new());
    push_integer(&mut body, 2, SET);
    push_bytes(&mut body, 3, b"");
    push_integer(&mut extension, 1, STREAM_ACK);
    push_bytes(&mut extension, 2, b"");
    push_bytes(&mut body, 7, &extension);
    push_integer(&mut body, 10, received.into());
    frame(IQ_STANZA, &body)
}

/// Formats a close, after which the agent connects again.
#[must_use]
pub fn close() -> Vec<u8> {
    frame(CLOSE, &[])
}

/// The parts of a push message that the message itself does not have.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The names under which the browser finds the subscription.
    pub app: &'a ChromiumApp,
    /// The application server's key, which the browser knows as `applicationServerKey`.
    pub sender: &'a SenderKey,
    /// The `persistent_id`; `None` for a message that is never sent again.
    pub persistent_id: Option<&'a str>,
    /// The number of frames of the agent that have arrived.
    pub received: u32,
    /// The current time.
    pub now: Timestamp,
}

/// Formats a push message. Topic and urgency are not forwarded (RFC 8030 §5.3, §5.4).
#[must_use]
pub fn data_message(message: &Draft, envelope: &Envelope<'_>) -> Vec<u8> {
    let Envelope { app, sender, persistent_id, received, now } = *envelope;
    let mut body = Vec::with_capacity(512 + message.body.len());
    push_bytes(&mut body, 3, base64url::encode(sender.0).as_bytes());
    push_bytes(&mut body, 5, app.category().as_bytes());
    push_app_data(&mut body, "subtype", app.subtype().as_bytes());
    for (name, value) in message.encoding.headers().filter(|(name, _)| *name != CONTENT_TYPE) {
        // The browser compares the coding as it is.
        let value =
            if name == CONTENT_ENCODING { &value.as_bytes().to_ascii_lowercase() } else { value.as_bytes() };
        push_app_data(&mut body, name.as_str(), value);
    }
    if let Some(id) = persistent_id {
        push_bytes(&mut body, 9, id.as_bytes());
    }
    push_integer(&mut body, 11, received.into());
    push_integer(&mut body, 17, int32(now.until(message.expires).as_secs().into()));
    push_integer(&mut body, 18, message.accepted.as_millis());
    if !message.body.is_empty() {
        push_bytes(&mut body, 21, &message.body);
    }
    // immediate_ack: otherwise the agent acknowledges every tenth message, or with its next heartbeat.
    push_integer(&mut body, 24, 1);
    frame(DATA_MESSAGE_STANZA, &body)
}

fn push_app_data(body: &mut Vec<u8>, key: &str, value: &[u8]) {
    let mut pair = Vec::with_capacity(key.len() + value.len() + 6);
    push_bytes(&mut pair, 1, key.as_bytes());
    push_bytes(&mut pair, 2, value);
    push_bytes(body, 7, &pair);
}

/// Returns the number, or the highest `int32`.
fn int32(number: u128) -> u64 {
    i32::try_from(number).unwrap_or(i32::MAX).unsigned_abs().into()
}

#[cfg(test)]
mod tests;
