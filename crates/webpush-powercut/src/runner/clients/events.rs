//! Server-sent events of a response that ends.

use crate::runner::http::{Connection, Response};
use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// An event: its name, ID and data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) data: Value,
}

/// Requests what is stored.
pub(super) fn fetch(connection: &mut Connection, path: &str) -> anyhow::Result<Response> {
    connection.request("GET", path, &[("Accept", "text/event-stream"), ("Prefer", "wait=0")], b"")
}

/// Returns the events of a response; none if its status is another one than 200 or 204.
pub(super) fn events(response: &Response) -> anyhow::Result<Option<Vec<Event>>> {
    match response.status {
        204 => Ok(Some(Vec::new())),
        200 => parse(std::str::from_utf8(&response.body)?).map(Some),
        _ => Ok(None),
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let mut event = Event::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).context("malformed data")?,
                _ => {}
            }
        }
        if !event.name.is_empty() {
            events.push(event);
        }
    }
    Ok(events)
}

/// Decodes the body in the data of a message.
pub(super) fn body(event: &Event) -> anyhow::Result<Vec<u8>> {
    let body = event.data["body"].as_str().context("a message without a body")?;
    Ok(BASE64_URL_SAFE_NO_PAD.decode(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_name_id_and_data() {
        let text = "retry: 5000\n\nevent: message\nid: http://push.test/message/x\ndata: {\"body\":\"aGk\"}\n\n: \n\n";
        let events = parse(text).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].id.as_str(), body(&events[0]).unwrap()),
            ("http://push.test/message/x", b"hi".to_vec())
        );
    }
}
