//! Server-sent events: the client's parser, and the events of the service.

use serde_json::Value;
use std::sync::Arc;
use webpush_client::event_stream::{EventReader, StreamEvent};
use webpush_core::base64url;
use webpush_core::id::Position;
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::protocol::event_stream;
use webpush_core::subscription::{Protocol, Subscription};

use super::sealing::{KEYRING, draft, key_id};
use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"event: message\n",
    b"data: x\n",
    b"data\n",
    b"id: 1\n",
    b"id\n",
    b"id: \0\n",
    b"retry: 5000\n",
    b":\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"\xff",
];
const ORIGIN: &str = "https://push.example";

pub(super) fn run(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(whole, read(bytes, usize::from(*size).max(1)), "chunks change what is read");
    assert_eq!(whole, model(bytes));
    assert_sent(Input::new(bytes));
}

fn read(bytes: &[u8], at_once: usize) -> Vec<StreamEvent> {
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    for part in bytes.chunks(at_once) {
        reader.add(part);
        while let Some(event) = reader.next_event().expect("the input is short") {
            events.push(event);
        }
    }
    events
}

/// Reads a whole stream as the HTML standard says it.
fn model(bytes: &[u8]) -> Vec<StreamEvent> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut kind, mut data, mut last_id) = (Vec::new(), String::new(), None::<String>, None);
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    for line in lines {
        if line.is_empty() {
            let kind = std::mem::take(&mut kind);
            let last_id = last_id.clone();
            events.extend(data.take().map(|data| StreamEvent { kind, data, last_id }));
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => kind = value.to_owned(),
            "data" => data = Some(data.map_or_else(|| value.to_owned(), |data| format!("{data}\n{value}"))),
            "id" if !value.contains('\0') => last_id = (!value.is_empty()).then(|| value.to_owned()),
            _ => {}
        }
    }
    events
}

/// A message arrives as one event, with its body and its headers.
fn assert_sent(mut input: Input<'_>) {
    let key = key_id(&mut input);
    let draft = draft(&mut input);
    let subscription = Subscription {
        agent: draft.agent,
        id: draft.subscription,
        created: draft.accepted,
        key,
        sender: None,
        protocol: Protocol::Rfc8030,
    };
    let message = draft.clone().into_message(Position::new(9));
    let entry: OutboundEntry = Entry::Message(Arc::new(message)).into();
    let text = event_stream::event(&entry, Some(&subscription), &KEYRING, ORIGIN).unwrap();
    let stream = [event_stream::PREAMBLE, event_stream::KEEP_ALIVE, &text].concat();
    let mut events = read(stream.as_bytes(), 7);
    let event = events.pop().unwrap();
    assert!(events.is_empty() && event.kind == "message");
    let json: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(json["body"].as_str().and_then(base64url::decode).as_deref(), Some(&draft.body[..]));
    assert_eq!(event.last_id.is_some(), !draft.is_now_or_never());
    assert!(event.last_id.as_deref().is_none_or(|id| json["url"] == id));
    let headers = json["headers"].as_object().unwrap();
    assert_eq!(headers.len(), draft.encoding.headers().count());
    for (name, value) in draft.encoding.headers() {
        let bytes: Vec<u8> =
            headers[name.as_str()].as_str().unwrap().chars().map(|c| u8::try_from(c).unwrap()).collect();
        assert_eq!(bytes, value.as_bytes());
    }
}
