//! An agent that speaks autopush on a WebSocket.

use super::Agent;
use super::acks::PendingAcks;
use crate::history::Event;
use crate::network::path_of;
use crate::shared::Shared;
use serde_json::{Value, json};
use std::rc::Rc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{Instant, sleep_until};
use webpush_core::base64url;
use webpush_core::urgency::Urgency;
use webpush_core::websocket::{WebSocketMessage, client};

/// The mask of all frames; nobody looks at them on their way.
const MASK: [u8; 4] = [1, 2, 3, 4];

struct Socket {
    stream: DuplexStream,
    unread: Vec<u8>,
}

enum Incoming {
    Text(Value),
    Ping(Vec<u8>),
    Close,
    Other,
}

/// Runs a session until `end`; `None` if the connection is lost before.
pub(super) async fn session(agent: &Agent, shared: &Rc<Shared>, node: usize, end: Instant) -> Option<()> {
    let mut socket = Socket { stream: shared.network.websocket(node)?, unread: Vec::new() };
    let c = agent.begin_connection(shared, Urgency::VeryLow);
    let known = agent.identity();
    let hello = match &known {
        Some(uaid) => json!({"messageType": "hello", "uaid": uaid, "use_webpush": true}),
        None => json!({"messageType": "hello", "use_webpush": true}),
    };
    socket.send(&hello).await?;
    let mut acks = PendingAcks::default();
    let mut removing = None;
    loop {
        let due = acks.next(end);
        let incoming = tokio::select! {
            biased;
            incoming = socket.next() => incoming?,
            () = sleep_until(due) => {
                for (m, version) in acks.take_due() {
                    shared.record(&Event::Ack { c, m });
                    let update = json!({"version": version, "code": 100});
                    socket.send(&json!({"messageType": "ack", "updates": [update]})).await?;
                }
                if end <= Instant::now() {
                    return Some(());
                }
                continue;
            }
        };
        let text = match incoming {
            Incoming::Text(text) => text,
            Incoming::Ping(payload) => {
                let mut out = Vec::new();
                client::pong(&mut out, &payload, MASK);
                socket.stream.write_all(&out).await.ok()?;
                continue;
            }
            Incoming::Close => return None,
            Incoming::Other => continue,
        };
        match text["messageType"].as_str()? {
            "hello" => {
                let uaid = text["uaid"].as_str()?;
                if known.as_deref().is_some_and(|known| known != uaid) {
                    agent.forget(shared);
                }
                *agent.identity.borrow_mut() = Some(uaid.to_owned());
                begin(agent, shared, c, &mut socket, &mut removing).await?;
            }
            "register" if text["status"] == 200 => {
                let (channel, endpoint) = (text["channelID"].as_str()?, text["pushEndpoint"].as_str()?);
                agent.subscribed(shared, channel.to_owned(), path_of(endpoint).to_owned());
            }
            "unregister" => {
                if let (Some(s), Some(status)) = (removing.take(), text["status"].as_u64()) {
                    let status = u16::try_from(status).ok()?;
                    shared.record(&Event::Unsubscribed { s, status });
                }
            }
            "notification" => {
                let (channel, version) = (text["channelID"].as_str()?, text["version"].as_str()?);
                let body = base64url::decode_lenient(text["data"].as_str()?)?;
                let s = agent.find(|subscription| subscription.name == channel);
                let m = agent.receive(shared, c, &body, s);
                acks.plan(agent, shared, m, version);
            }
            _ => {}
        }
    }
}

/// Sends the requests with which a session begins.
async fn begin(
    agent: &Agent,
    shared: &Shared,
    c: u32,
    socket: &mut Socket,
    removing: &mut Option<u32>,
) -> Option<()> {
    if let Some(unwanted) = agent.unwanted(shared) {
        *removing = Some(unwanted.number);
        socket.send(&json!({"messageType": "unregister", "channelID": unwanted.name})).await?;
    } else if agent.lacks_subscription() {
        let number = agent.random.borrow_mut().number();
        let digits = format!("{number:016x}{number:016x}");
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        socket.send(&json!({"messageType": "register", "channelID": parts.join("-")})).await?;
    }
    let urgency = agent.choose_urgency(shared);
    if urgency > Urgency::VeryLow {
        shared.record(&Event::MinUrgency { c, urgency: urgency as usize });
        socket.send(&json!({"messageType": "urgency", "min": urgency.as_str()})).await?;
        if agent.one_in(2) {
            shared.record(&Event::MinUrgency { c, urgency: 0 });
            let lowest = Urgency::VeryLow.as_str();
            socket.send(&json!({"messageType": "urgency", "min": lowest})).await?;
        }
    }
    Some(())
}

impl Socket {
    async fn send(&mut self, message: &Value) -> Option<()> {
        let mut out = Vec::new();
        client::text(&mut out, &message.to_string(), MASK);
        self.stream.write_all(&out).await.ok()
    }

    /// Returns the next message; `None` at the end. Cancel safe.
    async fn next(&mut self) -> Option<Incoming> {
        loop {
            if let Some((message, length)) = client::parse(&self.unread).ok()? {
                let incoming = match message {
                    WebSocketMessage::Text(text) => Incoming::Text(serde_json::from_str(text).ok()?),
                    WebSocketMessage::Ping(payload) => Incoming::Ping(payload.to_vec()),
                    WebSocketMessage::Close(_) => Incoming::Close,
                    WebSocketMessage::Binary(_) | WebSocketMessage::Pong => Incoming::Other,
                };
                self.unread.drain(..length);
                return Some(incoming);
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
            self.unread.extend_from_slice(&chunk[..read]);
        }
    }
}
