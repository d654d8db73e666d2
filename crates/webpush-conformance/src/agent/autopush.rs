//! Judges a user agent on the WebSocket of Firefox, as the service's side of it without sockets.

#[cfg(test)]
mod tests;

use super::unexercised;
use crate::report::{Report, Subject, SubjectKind};
use crate::requirements;
use crate::verdicts::Verdicts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use webpush_core::sender::{Curve, parse_key};
use webpush_core::time::Timestamp;

/// The ID that the user agent is given.
const UAID: &str = "c0ffee00000040008000000000000001";
/// Notifications for each new channel.
const NOTIFICATIONS: usize = 3;
/// Least time between two pings of the application.
const PING_PAUSE: Duration = Duration::from_secs(30);
/// Maximum number of channels that are remembered.
const MOST_CHANNELS: usize = 1000;

/// An event of the connection of a user agent.
#[derive(Clone, Copy, Debug)]
pub enum FromAgent<'a> {
    /// A text message.
    Text(&'a str),
    /// A pong frame.
    Pong,
    /// A binary message, or a frame that violates RFC 6455; with the reason.
    Violation(&'a str),
}

/// The next steps of the service, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentReply {
    /// Text messages to send.
    pub texts: Vec<String>,
    /// Sends [`AutopushValidator::notifications`] after a pause: no sender has the push URL yet.
    pub notifies: bool,
    /// Sends a ping frame afterwards.
    pub ping: bool,
    /// Closes the connection afterwards.
    pub close: bool,
}

/// Judges one user agent.
#[derive(Debug)]
pub struct AutopushValidator<C> {
    origin: String,
    curve: C,
    verdicts: Verdicts,
    connections: usize,
    messages: usize,
    /// True until the first message of a connection.
    is_new: bool,
    is_pinged: bool,
    /// True once the connection was closed to see whether the user agent comes back.
    was_closed: bool,
    last_ping: Option<Timestamp>,
    /// All channels so far, and true for those that are still registered.
    channels: BTreeMap<String, bool>,
    /// Channels whose notifications were not sent yet.
    silent: Vec<String>,
    /// Notifications without an acknowledgement: version and channel.
    unacknowledged: BTreeMap<String, String>,
    versions: usize,
}

impl<C: Curve> AutopushValidator<C> {
    /// Creates a validator whose push URLs have this origin.
    pub fn new(origin: String, curve: C) -> Self {
        Self {
            origin,
            curve,
            verdicts: Verdicts::default(),
            connections: 0,
            messages: 0,
            is_new: true,
            is_pinged: false,
            was_closed: false,
            last_ping: None,
            channels: BTreeMap::new(),
            silent: Vec::new(),
            unacknowledged: BTreeMap::new(),
            versions: 0,
        }
    }

    /// Notes a new connection.
    pub fn connected(&mut self) {
        self.connections += 1;
        self.is_new = true;
        if self.was_closed {
            self.verdicts.pass("AG-reconnect-a");
        }
    }

    /// Returns the number of connections so far.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// Judges what has arrived, and returns what to do.
    pub fn receive(&mut self, arrived: FromAgent<'_>, now: Timestamp) -> AgentReply {
        const EXPECTED: &str = "one JSON object in a text frame";
        let text = match arrived {
            FromAgent::Text(text) => text,
            FromAgent::Pong => {
                if self.is_pinged {
                    self.is_pinged = false;
                    self.verdicts.pass("AG-ping-b");
                }
                return AgentReply::default();
            }
            FromAgent::Violation(reason) => {
                self.verdicts.fail("AG-frame-a", EXPECTED, reason, "");
                return AgentReply { close: true, ..AgentReply::default() };
            }
        };
        self.messages += 1;
        let message = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        let Some(message) = message else {
            self.verdicts.fail("AG-frame-a", EXPECTED, "another text", text);
            return AgentReply { close: true, ..AgentReply::default() };
        };
        let kind = message["messageType"].as_str();
        let is_ping = message.as_object().is_some_and(serde_json::Map::is_empty) || kind == Some("ping");
        let found = || "no messageType".to_owned();
        self.verdicts.check("AG-frame-a", kind.is_some() || is_ping, "a messageType", found, text);
        if std::mem::take(&mut self.is_new) {
            let found = || text.to_owned();
            self.verdicts.check("AG-hello-a", kind == Some("hello"), "hello", found, "");
        }
        match kind {
            Some("hello") => self.hello(&message, text),
            Some("register") => self.register(&message, text),
            Some("unregister") => self.unregister(&message, text),
            Some("ack" | "nack") => self.acknowledge(&message, text),
            _ if is_ping => self.ping(now),
            _ => AgentReply::default(),
        }
    }

    /// Returns the notifications of new channels, to be sent now.
    pub fn notifications(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        for channel in std::mem::take(&mut self.silent) {
            for _ in 0..NOTIFICATIONS {
                self.versions += 1;
                let version = format!("v{}", self.versions);
                self.verdicts.pass("AG-ack-a");
                let message =
                    json!({"messageType": "notification", "channelID": channel, "version": version});
                texts.push(message.to_string());
                self.unacknowledged.insert(version, channel.clone());
            }
        }
        texts
    }

    /// Returns the result so far.
    #[must_use]
    pub fn report(&self, name: Option<&str>) -> Report {
        let subject = Subject::new(SubjectKind::Agent, name.unwrap_or("user agent"));
        let mut verdicts = self.verdicts.clone();
        for version in self.unacknowledged.keys() {
            verdicts.fail("AG-ack-a", "an ack", format!("none for the version {version}"), "");
        }
        if self.is_pinged {
            verdicts.fail("AG-ping-b", "a pong", "none", "");
        }
        if self.was_closed && self.connections < 2 {
            verdicts.fail("AG-reconnect-a", "another connection", "none", "");
        }
        let mut report = verdicts.report(subject, requirements::of_autopush_agents(), unexercised::reason);
        let facts = [("connections", self.connections), ("messages", self.messages)];
        report.facts.extend(facts.map(|(name, count)| (name.to_owned(), count.to_string())));
        report
    }

    fn hello(&mut self, message: &Value, text: &str) -> AgentReply {
        // Without a channel the uaid is of no use: Firefox gets another one.
        if self.connections > 1 && self.channels.values().any(|is_registered| *is_registered) {
            let found = || message["uaid"].to_string();
            let is_known = message["uaid"] == UAID;
            self.verdicts.check("AG-hello-b", is_known, UAID, found, text);
        }
        let found = || message["use_webpush"].to_string();
        self.verdicts.check("AG-hello-c", message["use_webpush"] == true, "true", found, text);
        let hello = json!({
            "messageType": "hello",
            "uaid": UAID,
            "status": 200,
            "use_webpush": true,
            "broadcasts": {},
        });
        self.is_pinged = true;
        // It may have gone before its channels got any.
        let notifies = !self.silent.is_empty();
        AgentReply { texts: vec![hello.to_string()], notifies, ping: true, close: false }
    }

    fn register(&mut self, message: &Value, text: &str) -> AgentReply {
        let channel = message["channelID"].as_str().unwrap_or_default().to_owned();
        let is_valid = is_uuid(&channel) && !self.channels.contains_key(&channel);
        let found = || message["channelID"].to_string();
        self.verdicts.check("AG-register-a", is_valid, "a new UUID", found, text);
        if let Some(key) = message.get("key").filter(|key| !key.is_null()) {
            let is_valid = key.as_str().is_some_and(|key| parse_key(key, &self.curve).is_ok());
            let found = || key.to_string();
            self.verdicts.check("AG-register-b", is_valid, "65 bytes on the curve", found, text);
        }
        if !is_valid || self.channels.len() == MOST_CHANNELS {
            let refused = json!({
                "messageType": "register", "channelID": channel, "status": 400, "pushEndpoint": "",
            });
            return AgentReply { texts: vec![refused.to_string()], ..AgentReply::default() };
        }
        let registered = json!({
            "messageType": "register",
            "channelID": channel,
            "status": 200,
            "pushEndpoint": format!("{}/push/{}", self.origin, self.channels.len() + 1),
        });
        self.silent.push(channel.clone());
        self.channels.insert(channel, true);
        AgentReply { texts: vec![registered.to_string()], notifies: true, ..AgentReply::default() }
    }

    fn unregister(&mut self, message: &Value, text: &str) -> AgentReply {
        let channel = message["channelID"].as_str().unwrap_or_default();
        let found = || message["channelID"].to_string();
        let is_known = self.channels.contains_key(channel);
        self.verdicts.check("AG-unregister-a", is_known, "a channel that is registered", found, text);
        let reply = json!({"messageType": "unregister", "channelID": channel, "status": 200});
        self.silent.retain(|of| of != channel);
        self.unacknowledged.retain(|_, of| of != channel);
        if let Some(is_registered) = self.channels.get_mut(channel) {
            *is_registered = false;
        }
        AgentReply { texts: vec![reply.to_string()], ..AgentReply::default() }
    }

    fn acknowledge(&mut self, message: &Value, text: &str) -> AgentReply {
        let single = std::slice::from_ref(message);
        let updates = message["updates"].as_array().map_or(single, Vec::as_slice);
        for update in updates {
            let version = update["version"].as_str().unwrap_or_default();
            let channel = self.unacknowledged.remove(version);
            // A nack has no channel.
            let is_same = |channel: &String| update["channelID"].as_str().is_none_or(|id| id == channel);
            let is_known = channel.as_ref().is_some_and(is_same);
            let found = || update.to_string();
            self.verdicts.check("AG-ack-b", is_known, "a notification that was sent", found, text);
        }
        // Once, to see whether the user agent comes back.
        let close = self.unacknowledged.is_empty() && self.silent.is_empty() && !self.was_closed;
        self.was_closed |= close;
        AgentReply { close, ..AgentReply::default() }
    }

    fn ping(&mut self, now: Timestamp) -> AgentReply {
        if let Some(last) = self.last_ping.replace(now) {
            let pause = last.until(now);
            let found = || format!("{:.1} s", pause.as_secs_f64());
            self.verdicts.check("AG-ping-a", pause >= PING_PAUSE, "a pause of 30 s or more", found, "");
        }
        AgentReply { texts: vec!["{}".to_owned()], ..AgentReply::default() }
    }
}

/// Returns true for a UUID in its usual form (RFC 9562 §4).
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
