//! An agent that reads server-sent events.

use super::{Agent, requests};
use crate::network::{Events, path_of};
use crate::shared::Shared;
use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::rc::Rc;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};
use webpush_core::base64url;
use webpush_core::urgency::Urgency;

/// Runs a session until `end`; `None` if the connection is lost before.
pub(super) async fn session(agent: &Agent, shared: &Rc<Shared>, node: usize, end: Instant) -> Option<()> {
    let set = requests::prepare(agent, shared, node).await?;
    let urgency = agent.choose_urgency(shared);
    let mut headers = HeaderMap::new();
    if urgency > Urgency::VeryLow {
        headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(urgency.as_str()));
    }
    // Otherwise it begins with the oldest message.
    let resumes = !shared.is_settling.get() && agent.one_in(2);
    if let Some(last) = agent.last_event.borrow().as_ref().filter(|_| resumes) {
        headers.insert(HeaderName::from_static("last-event-id"), HeaderValue::try_from(last).ok()?);
    }
    let c = agent.begin_connection(shared, urgency);
    let mut stream = match shared.network.events(node, &set, headers).await? {
        Events::Stream(parts) => EventReader::new(parts),
        Events::Refused(StatusCode::NOT_FOUND) => {
            agent.forget(shared);
            return None;
        }
        Events::Refused(_) => return None,
    };
    loop {
        let event = tokio::select! {
            biased;
            event = stream.next() => event?,
            () = sleep_until(end) => return Some(()),
        };
        if event.kind == "gone" {
            agent.forget(shared);
            return None;
        }
        let url = path_of(event.data["url"].as_str()?).to_owned();
        let push = path_of(event.data["subscription"].as_str()?);
        let body = base64url::decode_lenient(event.data["body"].as_str()?)?;
        let s = agent.find(|subscription| subscription.push == push);
        let m = agent.receive(shared, c, &body, s);
        if event.id.is_some() {
            *agent.last_event.borrow_mut() = event.id;
        }
        requests::acknowledge(agent, shared, c, m, &url);
    }
}

/// A server-sent event.
pub(crate) struct EventMessage {
    /// Its type.
    pub(crate) kind: String,
    /// Its ID.
    pub(crate) id: Option<String>,
    /// Its data.
    pub(crate) data: Value,
}

/// Reads the events of a stream.
pub(crate) struct EventReader {
    parts: Receiver<Bytes>,
    unread: String,
}

impl EventReader {
    /// Reads the parts of a stream.
    pub(crate) const fn new(parts: Receiver<Bytes>) -> Self {
        Self { parts, unread: String::new() }
    }

    /// Returns the next event; `None` at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<EventMessage> {
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let event = parse(event);
                self.unread = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let part = self.parts.recv().await?;
            self.unread.push_str(str::from_utf8(&part).ok()?);
        }
    }
}

/// Parses an event; `None` for a comment.
fn parse(text: &str) -> Option<EventMessage> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).ok()?;
    Some(EventMessage { kind: field("event")?.to_owned(), id: field("id").map(str::to_owned), data })
}
