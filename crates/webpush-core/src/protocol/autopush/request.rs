//! What an agent says.

use super::broadcasts::Versions;
use super::names::{self, ChannelName};
use crate::id::InboxId;
use crate::session::SESSION_WINDOW;
use crate::urgency::Urgency;
use serde::Deserialize;
use std::error::Error;
use std::fmt;

/// One message of an agent. Members that mean nothing here are ignored everywhere.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// The first one: who it is, and what broadcasts it has.
    Hello {
        /// The agent it says to be; `None` if it is new, or what it says can't be one.
        agent: Option<InboxId>,
        /// What it follows.
        broadcasts: Versions,
    },
    /// A subscription is wanted.
    Register {
        /// What the agent calls it.
        channel: Name,
        /// The key of the only application server that may push to it (RFC 8292 §4), as it was written.
        key: Option<String>,
    },
    /// A subscription is not wanted any more.
    Unregister {
        /// What the agent calls it.
        channel: Name,
    },
    /// Messages have arrived, whatever the agent could do with them.
    Ack {
        /// Their versions.
        versions: Vec<String>,
        /// What it says of those that it could not use, as far as so many can be under way.
        ///
        /// Mostly there are none.
        complaints: Vec<Complaint>,
    },
    /// A message could not be used, and stays unacknowledged; why.
    Nack(Complaint),
    /// Broadcasts to follow as well.
    BroadcastSubscribe(Versions),
    /// Nothing below this is wanted; `None` if it is none of the four words.
    Urgency(Option<Urgency>),
    /// Is anybody there?
    Ping,
    /// Nothing that asks for anything: what newer agents may say.
    Other,
}

/// What an agent says of a message that it could not use.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Why.
    pub code: u16,
    /// Which one.
    pub version: Option<String>,
}

/// The `channelID` of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Name {
    /// One that can be used.
    Good(ChannelName),
    /// No UUID: the text as it was written.
    Bad(String),
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        match ChannelName::parse(text.clone()) {
            Some(name) => Self::Good(name),
            None => Self::Bad(text),
        }
    }
}

/// How agents write what they say most.
///
/// What begins so is read once, without first looking for what it is.
const ACK: &str = r#"{"messageType":"ack","#;

/// The code of a message that its agent could use, as are those without a code.
const DELIVERED: u16 = 100;

/// The reason for which a text is no request.
///
/// The fault of the agent, which is told so when its connection is closed.
#[derive(Debug)]
pub enum RequestError {
    /// The text is not a JSON object.
    NotAnObject,
    /// A member that counts is missing or of another type.
    Unreadable {
        /// The message or its kind.
        message: &'static str,
        /// The error of the JSON reader.
        source: serde_json::Error,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("the message is not a JSON object"),
            Self::Unreadable { message, source } => write!(f, "{message} can't be read: {source}"),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotAnObject => None,
            Self::Unreadable { source, .. } => Some(source),
        }
    }
}

impl Request {
    /// Reads a text message.
    ///
    /// # Errors
    /// [`RequestError`] when it is not a JSON object, or a member that counts is missing or of another type.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(RequestError::NotAnObject);
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
                let word = min.as_ref().and_then(serde_json::Value::as_str);
                Ok(Self::Urgency(word.and_then(|word| Urgency::parse(word.as_bytes()))))
            }
            "nack" => {
                let Nack { code, version } = read(text, "nack").unwrap_or_default();
                let version = version.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
                Ok(Self::Nack(Complaint { code: code.as_ref().map_or(0, number), version }))
            }
            "ping" => Ok(Self::Ping),
            _ => Ok(Self::Other),
        }
    }

    fn ack(text: &str) -> Result<Self, RequestError> {
        let Ack { updates } = read(text, "ack")?;
        let coded =
            updates.iter().filter_map(|update| Some((number(update.code.as_ref()?), &update.version)));
        let complaints = coded.filter(|(code, _)| *code != DELIVERED).take(SESSION_WINDOW);
        let complaints =
            complaints.map(|(code, version)| Complaint { code, version: Some(version.clone()) }).collect();
        Ok(Self::Ack { versions: updates.into_iter().map(|update| update.version).collect(), complaints })
    }
}

/// A code of an agent; 0 if it is none that there could be. Whatever it is, the message counts.
fn number(code: &serde_json::Value) -> u16 {
    code.as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default()
}

fn read<'a, T: Deserialize<'a>>(text: &'a str, message: &'static str) -> Result<T, RequestError> {
    serde_json::from_str(text).map_err(|source| RequestError::Unreadable { message, source })
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

    fn parse(text: &str) -> Request {
        Request::parse(text).unwrap()
    }

    #[test]
    fn hello_as_each_client_writes_it() {
        let hello = |agent| Request::Hello { agent, broadcasts: Versions::new() };
        // KUnifiedPush, Sunup, Firefox.
        assert_eq!(parse(r#"{"messageType":"hello"}"#), hello(None));
        let known = format!(r#"{{"messageType":"hello","uaid":"{UAID}","use_webpush":true}}"#);
        assert_eq!(parse(&known), hello(names::agent(UAID)));
        let firefox = r#"{"messageType":"hello","broadcasts":{"a/b":"\"1\""},"use_webpush":true}"#;
        let broadcasts = Versions::from([("a/b".to_owned(), "\"1\"".to_owned())]);
        assert_eq!(parse(firefox), Request::Hello { agent: None, broadcasts });
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
    fn registrations_keep_the_name_as_it_was_written() {
        let text = "C0FFEE00-0123-4567-89AB-CDEF01234567";
        let register = format!(r#"{{"messageType":"register","channelID":"{text}","key":"BN="}}"#);
        let channel = Name::Good(ChannelName::parse(text.to_owned()).unwrap());
        assert_eq!(parse(&register), Request::Register { channel, key: Some("BN=".into()) });
        let bad = r#"{"messageType":"unregister","channelID":"x","code":200}"#;
        assert_eq!(parse(bad), Request::Unregister { channel: Name::Bad("x".into()) });
        for no_key in [r#","key":null"#, r#","key":"""#, ""] {
            let text = format!(r#"{{"messageType":"register","channelID":"x"{no_key}}}"#);
            assert_eq!(parse(&text), Request::Register { channel: Name::Bad("x".into()), key: None });
        }
    }

    fn complaint(code: u16, version: Option<&str>) -> Complaint {
        Complaint { code, version: version.map(str::to_owned) }
    }

    #[test]
    fn acknowledgements_with_and_without_code() {
        let text =
            r#"{"messageType":"ack","updates":[{"channelID":"a","version":"1","code":100},{"version":"2"}]}"#;
        let ack = |versions: &[&str], complaints: &[(u16, &str)]| Request::Ack {
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            complaints: complaints.iter().map(|(code, version)| complaint(*code, Some(version))).collect(),
        };
        assert_eq!(parse(text), ack(&["1", "2"], &[]));
        assert_eq!(parse(r#"{"messageType":"ack","updates":[]}"#), ack(&[], &[]));
        let text =
            r#"{"messageType":"ack","updates":[{"version":"1","code":101},{"version":"2","code":"x"}]}"#;
        assert_eq!(parse(text), ack(&["1", "2"], &[(101, "1"), (0, "2")]));
    }

    #[test]
    fn a_message_that_could_not_be_used() {
        for (text, code, version) in [
            (r#"{"messageType":"nack","version":"x","code":301}"#, 301, Some("x")),
            (r#"{"messageType":"nack","version":"x"}"#, 0, Some("x")),
            (r#"{"messageType":"nack","version":7,"code":301}"#, 301, None),
            (r#"{"messageType":"nack","code":-1}"#, 0, None),
            (r#"{"messageType":"nack","code":1,"code":2}"#, 0, None),
        ] {
            assert_eq!(parse(text), Request::Nack(complaint(code, version)), "{text}");
        }
    }

    #[test]
    fn pings_and_what_is_not_known() {
        for ping in ["{}", " { } \n", r#"{"messageType":"ping"}"#] {
            assert_eq!(parse(ping), Request::Ping, "{ping}");
        }
        for other in
            [r#"{"messageType":"Hello"}"#, r#"{"messageType":"of the future","data":[1,{}]}"#, r#"{"a":1}"#]
        {
            assert_eq!(parse(other), Request::Other, "{other}");
        }
    }

    #[test]
    fn urgency_is_one_of_four_words() {
        assert_eq!(
            parse(r#"{"messageType":"urgency","min":"very-low"}"#),
            Request::Urgency(Some(Urgency::VeryLow))
        );
        assert_eq!(parse(r#"{"messageType":"urgency","min":"loud"}"#), Request::Urgency(None));
        for none in [r#"{"messageType":"urgency"}"#, r#"{"messageType":"urgency","min":5}"#] {
            assert_eq!(parse(none), Request::Urgency(None));
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, said) in [
            ("", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("{", "the message can't be read"),
            (r#"{"messageType":1}"#, "the message can't be read"),
            (r#"{"messageType":"register"}"#, "register can't be read: missing field `channelID`"),
            (r#"{"messageType":"ack"}"#, "ack can't be read: missing field `updates`"),
            (r#"{"messageType":"ack","updates":[{"version":7}]}"#, "ack can't be read"),
            (r#"{"messageType":"hello","broadcasts":[]}"#, "hello can't be read"),
            (r#"{"messageType":"broadcast_subscribe"}"#, "missing field `broadcasts`"),
        ] {
            let reason = Request::parse(text).unwrap_err().to_string();
            assert!(reason.contains(said), "{text}: {reason}");
        }
    }
}
