//! Parses messages of agents.

use super::broadcasts::Versions;
use super::names::{self, ChannelName};
use crate::id::InboxId;
use crate::session::SESSION_WINDOW;
use crate::urgency::Urgency;
use serde::Deserialize;
use std::error::Error;
use std::fmt;

/// A message of an agent. Unknown members are ignored.
#[derive(Debug, PartialEq, Eq)]
pub enum AgentRequest {
    /// The first message of a connection.
    Hello {
        /// The agent; `None` if it is new, or its `uaid` is invalid.
        agent: Option<InboxId>,
        /// The broadcasts that it follows, with the versions that it has.
        broadcasts: Versions,
    },
    /// Create a subscription.
    Register {
        /// The agent's ID of the subscription.
        channel: ChannelParameter,
        /// The key of the only application server that may push to it (RFC 8292 §4), not validated.
        key: Option<String>,
    },
    /// Remove a subscription.
    Unregister {
        /// The agent's ID of the subscription.
        channel: ChannelParameter,
    },
    /// Acknowledge messages, including those that the agent could not process.
    Ack {
        /// The versions of the messages.
        versions: Vec<String>,
        /// The messages that the agent could not process, at most [`SESSION_WINDOW`].
        errors: Vec<DeliveryError>,
    },
    /// A message could not be processed and stays unacknowledged.
    Nack(DeliveryError),
    /// Follow more broadcasts.
    BroadcastSubscribe(Versions),
    /// Set the minimum urgency; `None` if it is not one of the four values.
    Urgency(Option<Urgency>),
    /// A ping, to be answered.
    Ping,
    /// An unknown message, to be ignored.
    Other,
}

/// The report of an agent that it could not process a message.
#[derive(Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// The error code.
    pub code: u16,
    /// The version of the message.
    pub version: Option<String>,
}

/// The `channelID` of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum ChannelParameter {
    /// A UUID.
    Valid(ChannelName),
    /// Another text.
    Invalid(String),
}

impl From<String> for ChannelParameter {
    fn from(text: String) -> Self {
        match ChannelName::parse(text.clone()) {
            Some(name) => Self::Valid(name),
            None => Self::Invalid(text),
        }
    }
}

/// The start of the most frequent message.
///
/// A text with this prefix is parsed once, without reading its type first.
const ACK: &str = r#"{"messageType":"ack","#;

/// The code of a message that the agent could process; the default.
const DELIVERED: u16 = 100;

/// A message of an agent is malformed. The text becomes the reason of the close.
#[derive(Debug)]
pub enum AgentRequestError {
    /// The text is not a JSON object.
    NotAnObject,
    /// A required member is missing, or a member has the wrong type.
    Unreadable {
        /// The type of the message, or "the message".
        message: &'static str,
        /// The error of the JSON parser.
        source: serde_json::Error,
    },
}

impl fmt::Display for AgentRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("the message is not a JSON object"),
            Self::Unreadable { message, source } => write!(f, "{message} cannot be parsed: {source}"),
        }
    }
}

impl Error for AgentRequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotAnObject => None,
            Self::Unreadable { source, .. } => Some(source),
        }
    }
}

impl AgentRequest {
    /// Parses a text message.
    ///
    /// # Errors
    /// [`AgentRequestError`] if the message is malformed.
    pub fn parse(text: &str) -> Result<Self, AgentRequestError> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(AgentRequestError::NotAnObject);
        }
        if text.starts_with(ACK) {
            return Self::ack(text);
        }
        let Kind { message_type } = read(text, "the message")?;
        let Some(message_type) = message_type else {
            let is_empty = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}");
            return Ok(if is_empty { Self::Ping } else { Self::Other });
        };
        match &*message_type {
            "hello" => {
                let Hello { uaid, broadcasts } = read(text, "hello")?;
                let agent = uaid.and_then(|uaid| names::agent(&uaid));
                Ok(Self::Hello { agent, broadcasts: broadcasts.unwrap_or_default() })
            }
            "register" => {
                let Register { channel, key } = read(text, "register")?;
                Ok(Self::Register { channel: channel.into(), key: key.filter(|key| !key.is_empty()) })
            }
            "unregister" => {
                let Unregister { channel } = read(text, "unregister")?;
                Ok(Self::Unregister { channel: channel.into() })
            }
            "ack" => Self::ack(text),
            "broadcast_subscribe" => {
                let BroadcastSubscribe { broadcasts } = read(text, "broadcast_subscribe")?;
                Ok(Self::BroadcastSubscribe(broadcasts))
            }
            "urgency" => {
                let MinUrgency { min } = read(text, "urgency")?;
                let value = min.as_ref().and_then(serde_json::Value::as_str);
                Ok(Self::Urgency(value.and_then(|value| Urgency::parse(value.as_bytes()))))
            }
            "nack" => {
                let Nack { code, version } = read(text, "nack").unwrap_or_default();
                let version = version.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
                Ok(Self::Nack(DeliveryError { code: code.as_ref().map_or(0, code_number), version }))
            }
            "ping" => Ok(Self::Ping),
            _ => Ok(Self::Other),
        }
    }

    fn ack(text: &str) -> Result<Self, AgentRequestError> {
        let Ack { updates } = read(text, "ack")?;
        let codes =
            updates.iter().filter_map(|update| Some((code_number(update.code.as_ref()?), &update.version)));
        let errors = codes.filter(|(code, _)| *code != DELIVERED).take(SESSION_WINDOW);
        let errors =
            errors.map(|(code, version)| DeliveryError { code, version: Some(version.clone()) }).collect();
        Ok(Self::Ack { versions: updates.into_iter().map(|update| update.version).collect(), errors })
    }
}

/// Returns the number of an error code; 0 if it is invalid, which does not make the message invalid.
fn code_number(code: &serde_json::Value) -> u16 {
    code.as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default()
}

fn read<'a, T: Deserialize<'a>>(text: &'a str, message: &'static str) -> Result<T, AgentRequestError> {
    serde_json::from_str(text).map_err(|source| AgentRequestError::Unreadable { message, source })
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "messageType")]
    message_type: Option<String>,
}

#[derive(Deserialize)]
struct Hello {
    uaid: Option<String>,
    broadcasts: Option<Versions>,
}

#[derive(Deserialize)]
struct Register {
    #[serde(rename = "channelID")]
    channel: String,
    key: Option<String>,
}

#[derive(Deserialize)]
struct Unregister {
    #[serde(rename = "channelID")]
    channel: String,
}

#[derive(Deserialize)]
struct Ack {
    updates: Vec<Update>,
}

#[derive(Deserialize)]
struct Update {
    version: String,
    code: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Nack {
    code: Option<serde_json::Value>,
    version: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct BroadcastSubscribe {
    broadcasts: Versions,
}

#[derive(Deserialize)]
struct MinUrgency {
    min: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const UAID: &str = "c0ffee0001234567a9abcdef01234567";

    fn parse(text: &str) -> AgentRequest {
        AgentRequest::parse(text).unwrap()
    }

    #[test]
    fn hello_messages_of_known_clients_are_parsed() {
        let hello = |agent| AgentRequest::Hello { agent, broadcasts: Versions::new() };
        // KUnifiedPush, Sunup, Firefox.
        assert_eq!(parse(r#"{"messageType":"hello"}"#), hello(None));
        let known = format!(r#"{{"messageType":"hello","uaid":"{UAID}","use_webpush":true}}"#);
        assert_eq!(parse(&known), hello(names::agent(UAID)));
        let firefox = r#"{"messageType":"hello","broadcasts":{"a/b":"\"1\""},"use_webpush":true}"#;
        let broadcasts = Versions::from([("a/b".to_owned(), "\"1\"".to_owned())]);
        assert_eq!(parse(firefox), AgentRequest::Hello { agent: None, broadcasts });
        for odd in [
            r#""uaid":null"#,
            r#""uaid":"""#,
            r#""uaid":"nobody""#,
            r#""channelIDs":["x",1],"use_webpush":0"#,
        ] {
            assert_eq!(parse(&format!(r#"{{"messageType":"hello",{odd}}}"#)), hello(None), "{odd}");
        }
    }

    #[test]
    fn registrations_retain_the_original_channel_id() {
        let text = "C0FFEE00-0123-4567-89AB-CDEF01234567";
        let register = format!(r#"{{"messageType":"register","channelID":"{text}","key":"BN="}}"#);
        let channel = ChannelParameter::Valid(ChannelName::parse(text.to_owned()).unwrap());
        assert_eq!(parse(&register), AgentRequest::Register { channel, key: Some("BN=".into()) });
        let bad = r#"{"messageType":"unregister","channelID":"x","code":200}"#;
        assert_eq!(parse(bad), AgentRequest::Unregister { channel: ChannelParameter::Invalid("x".into()) });
        for no_key in [r#","key":null"#, r#","key":"""#, ""] {
            let text = format!(r#"{{"messageType":"register","channelID":"x"{no_key}}}"#);
            assert_eq!(
                parse(&text),
                AgentRequest::Register { channel: ChannelParameter::Invalid("x".into()), key: None }
            );
        }
    }

    fn error(code: u16, version: Option<&str>) -> DeliveryError {
        DeliveryError { code, version: version.map(str::to_owned) }
    }

    #[test]
    fn acknowledgements_with_and_without_code() {
        let text =
            r#"{"messageType":"ack","updates":[{"channelID":"a","version":"1","code":100},{"version":"2"}]}"#;
        let ack = |versions: &[&str], errors: &[(u16, &str)]| AgentRequest::Ack {
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            errors: errors.iter().map(|(code, version)| error(*code, Some(version))).collect(),
        };
        assert_eq!(parse(text), ack(&["1", "2"], &[]));
        assert_eq!(parse(r#"{"messageType":"ack","updates":[]}"#), ack(&[], &[]));
        let text =
            r#"{"messageType":"ack","updates":[{"version":"1","code":101},{"version":"2","code":"x"}]}"#;
        assert_eq!(parse(text), ack(&["1", "2"], &[(101, "1"), (0, "2")]));
    }

    #[test]
    fn nacks_with_and_without_code() {
        for (text, code, version) in [
            (r#"{"messageType":"nack","version":"x","code":301}"#, 301, Some("x")),
            (r#"{"messageType":"nack","version":"x"}"#, 0, Some("x")),
            (r#"{"messageType":"nack","version":7,"code":301}"#, 301, None),
            (r#"{"messageType":"nack","code":-1}"#, 0, None),
            (r#"{"messageType":"nack","code":1,"code":2}"#, 0, None),
        ] {
            assert_eq!(parse(text), AgentRequest::Nack(error(code, version)), "{text}");
        }
    }

    #[test]
    fn pings_and_unknown_messages() {
        for ping in ["{}", " { } \n", r#"{"messageType":"ping"}"#] {
            assert_eq!(parse(ping), AgentRequest::Ping, "{ping}");
        }
        for other in
            [r#"{"messageType":"Hello"}"#, r#"{"messageType":"of the future","data":[1,{}]}"#, r#"{"a":1}"#]
        {
            assert_eq!(parse(other), AgentRequest::Other, "{other}");
        }
    }

    #[test]
    fn urgency_is_one_of_four_values() {
        assert_eq!(
            parse(r#"{"messageType":"urgency","min":"very-low"}"#),
            AgentRequest::Urgency(Some(Urgency::VeryLow))
        );
        assert_eq!(parse(r#"{"messageType":"urgency","min":"loud"}"#), AgentRequest::Urgency(None));
        for none in [r#"{"messageType":"urgency"}"#, r#"{"messageType":"urgency","min":5}"#] {
            assert_eq!(parse(none), AgentRequest::Urgency(None));
        }
    }

    #[test]
    fn malformed_messages_are_refused_with_a_reason() {
        for (text, expected) in [
            ("", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("{", "the message cannot be parsed"),
            (r#"{"messageType":1}"#, "the message cannot be parsed"),
            (r#"{"messageType":"register"}"#, "register cannot be parsed: missing field `channelID`"),
            (r#"{"messageType":"ack"}"#, "ack cannot be parsed: missing field `updates`"),
            (r#"{"messageType":"ack","updates":[{"version":7}]}"#, "ack cannot be parsed"),
            (r#"{"messageType":"hello","broadcasts":[]}"#, "hello cannot be parsed"),
            (r#"{"messageType":"broadcast_subscribe"}"#, "missing field `broadcasts`"),
        ] {
            let reason = AgentRequest::parse(text).unwrap_err().to_string();
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}
