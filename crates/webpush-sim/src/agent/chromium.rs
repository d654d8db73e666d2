//! An agent that speaks MCS, as Chromium does.

use super::acks::PendingAcks;
use super::protobuf::{Value, fields, push_bytes, push_number, push_varint, varint};
use super::{Agent, AgentSubscription};
use crate::history::Event;
use crate::network::bare;
use crate::shared::Shared;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use std::rc::Rc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{Instant, sleep_until};
use webpush_core::protocol::chromium::stanza;
use webpush_core::urgency::Urgency;

const VERSION: u8 = 41;
const HEARTBEAT_PING: u8 = 0;
const LOGIN_REQUEST: u8 = 2;
const LOGIN_RESPONSE: u8 = 3;
const CLOSE: u8 = 4;
const IQ_STANZA: u8 = 7;
const DATA_MESSAGE: u8 = 8;

struct Socket {
    stream: DuplexStream,
    unread: Vec<u8>,
    has_version: bool,
    /// Frames that have arrived.
    received: u32,
}

/// Runs a session until `end`; `None` if the connection is lost before.
pub(super) async fn session(agent: &Agent, shared: &Rc<Shared>, node: usize, end: Instant) -> Option<()> {
    if agent.identity.borrow().is_none() {
        check_in(agent, shared, node).await?;
    }
    let credentials = agent.identity()?;
    if let Some(unwanted) = agent.unwanted(shared) {
        unregister(shared, node, &credentials, &unwanted).await;
    } else if agent.lacks_subscription() {
        register(agent, shared, node, &credentials).await;
    }
    let stream = shared.network.mcs(node)?;
    let mut socket = Socket { stream, unread: Vec::new(), has_version: false, received: 0 };
    let c = agent.begin_connection(shared, Urgency::VeryLow);
    let named = agent.unconfirmed.borrow().clone();
    named.iter().for_each(|(m, _)| shared.record(&Event::Ack { c, m: *m }));
    socket.log_in(&credentials, &named).await?;
    let (mut acks, mut frames) = (PendingAcks::default(), Vec::new());
    loop {
        let due = acks.next(end);
        let (tag, body) = tokio::select! {
            biased;
            frame = socket.next() => frame?,
            () = sleep_until(due) => {
                for (m, id) in acks.take_due() {
                    socket.acknowledge(agent, shared, c, (m, &id), &frames).await?;
                }
                if end <= Instant::now() {
                    return Some(());
                }
                continue;
            }
        };
        match tag {
            LOGIN_RESPONSE if refuses(&body) => {
                agent.forget(shared);
                return None;
            }
            LOGIN_RESPONSE => {
                // The login settles the messages that it names before it is confirmed.
                for (m, id) in &named {
                    shared.record(&Event::Acked { m: *m, status: 204 });
                    agent.unconfirmed.borrow_mut().retain(|(_, other)| other != id);
                }
            }
            HEARTBEAT_PING => {
                // It names the last frame, and so acknowledges all messages until then.
                frames.iter().for_each(|(_, m, _)| shared.record(&Event::Ack { c, m: *m }));
                socket.write(&stanza::heartbeat_ack(socket.received)).await?;
            }
            DATA_MESSAGE => {
                let (id, subscription, content) = data_message(agent, &body);
                let m = agent.receive(shared, c, content, subscription);
                // A message without an ID is not stored.
                let Some(id) = id else { continue };
                frames.push((socket.received, m, id.clone()));
                acks.plan(agent, shared, m, &id);
                if agent.one_in(3) {
                    agent.unconfirmed.borrow_mut().push((m, id));
                }
            }
            CLOSE => return None,
            _ => {}
        }
    }
}

fn refuses(login_response: &[u8]) -> bool {
    fields(login_response).iter().any(|(number, _)| *number == 3)
}

/// Returns the ID, the subscription and the body of a message.
fn data_message<'a>(agent: &Agent, message: &'a [u8]) -> (Option<String>, Option<u32>, &'a [u8]) {
    let (mut id, mut subscription, mut content) = (None, None, &[][..]);
    for (number, value) in fields(message) {
        let Value::Bytes(bytes) = value else { continue };
        match number {
            7 => {
                let parts = fields(bytes);
                if let [(1, Value::Bytes(b"subtype")), (2, Value::Bytes(subtype))] = parts[..] {
                    subscription = agent.find(|found| found.name.as_bytes() == subtype);
                }
            }
            9 => id = String::from_utf8(bytes.to_vec()).ok(),
            21 => content = bytes,
            _ => {}
        }
    }
    (id, subscription, content)
}

async fn check_in(agent: &Agent, shared: &Shared, node: usize) -> Option<()> {
    let response = shared.network.request(node, bare(Method::POST, "/chromium/checkin")).await?;
    let mut numbers = [0, 0];
    for (number, value) in fields(&response.body) {
        match (number, value) {
            (7, Value::Number(id)) => numbers[0] = id,
            (8, Value::Number(token)) => numbers[1] = token,
            _ => {}
        }
    }
    let is_created = response.status == StatusCode::OK && numbers[0] > 0;
    is_created.then(|| *agent.identity.borrow_mut() = Some(format!("{}:{}", numbers[0], numbers[1])))
}

async fn register(agent: &Agent, shared: &Shared, node: usize, credentials: &str) -> Option<()> {
    let number = agent.random.borrow_mut().number();
    let subtype = format!("wp:https://site.example/#{number:016x}");
    let sender = shared.vapid.public();
    let response = send_form(shared, node, credentials, &subtype, &format!("&sender={sender}")).await?;
    let token = str::from_utf8(&response.body).ok()?.strip_prefix("token=")?;
    agent.subscribed(shared, subtype, format!("/push/{token}"));
    Some(())
}

async fn unregister(
    shared: &Shared,
    node: usize,
    credentials: &str,
    unwanted: &AgentSubscription,
) -> Option<()> {
    let response = send_form(shared, node, credentials, &unwanted.name, "&delete=true").await?;
    shared.record(&Event::Unsubscribed { s: unwanted.number, status: response.status.as_u16() });
    Some(())
}

async fn send_form(
    shared: &Shared,
    node: usize,
    credentials: &str,
    subtype: &str,
    rest: &str,
) -> Option<crate::network::Response> {
    let mut request = bare(Method::POST, "/chromium/register");
    let subtype = subtype.replace('#', "%23");
    *request.body_mut() = Bytes::from(format!("app=org.chromium.linux&X-subtype={subtype}{rest}"));
    let authorization = HeaderValue::try_from(format!("AidLogin {credentials}")).ok()?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    shared.network.request(node, request).await
}

impl Socket {
    async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()
    }

    async fn log_in(&mut self, credentials: &str, received: &[(u32, String)]) -> Option<()> {
        let (id, token) = credentials.split_once(':')?;
        let mut body = Vec::new();
        push_bytes(&mut body, 3, id.as_bytes());
        push_bytes(&mut body, 5, token.as_bytes());
        for (_, id) in received {
            push_bytes(&mut body, 10, id.as_bytes());
        }
        let mut out = vec![VERSION];
        push_frame(&mut out, LOGIN_REQUEST, &body);
        self.write(&out).await
    }

    /// Acknowledges one message by its ID, or all that have arrived until it.
    async fn acknowledge(
        &mut self,
        agent: &Agent,
        shared: &Shared,
        c: u32,
        (message, id): (u32, &str),
        frames: &[(u32, u32, String)],
    ) -> Option<()> {
        let until = frames.iter().find(|(_, _, other)| other == id).map(|(frame, ..)| *frame);
        let mut body = Vec::new();
        push_number(&mut body, 2, 1);
        push_bytes(&mut body, 3, b"");
        if agent.one_in(2)
            && let Some(until) = until
        {
            for (_, m, _) in frames.iter().filter(|(frame, ..)| *frame <= until) {
                shared.record(&Event::Ack { c, m: *m });
            }
            push_number(&mut body, 10, until.into());
        } else {
            shared.record(&Event::Ack { c, m: message });
            let (mut selective, mut extension) = (Vec::new(), Vec::new());
            push_bytes(&mut selective, 1, id.as_bytes());
            push_number(&mut extension, 1, 12);
            push_bytes(&mut extension, 2, &selective);
            push_bytes(&mut body, 7, &extension);
        }
        let mut out = Vec::new();
        push_frame(&mut out, IQ_STANZA, &body);
        self.write(&out).await
    }

    /// Returns the next frame; `None` at the end. Cancel safe.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if !self.has_version && !self.unread.is_empty() {
                self.has_version = self.unread.remove(0) == VERSION;
            }
            if let Some(frame) = self.take_frame() {
                self.received += 1;
                return Some(frame);
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
            self.unread.extend_from_slice(&chunk[..read]);
        }
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (tag, rest) = self.unread.split_first()?;
        let (length, rest) = varint(rest)?;
        let body = rest.get(..usize::try_from(length).ok()?)?.to_vec();
        let (tag, used) = (*tag, self.unread.len() - rest.len() + body.len());
        self.unread.drain(..used);
        Some((tag, body))
    }
}

fn push_frame(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    push_varint(out, body.len() as u64);
    out.extend_from_slice(body);
}
