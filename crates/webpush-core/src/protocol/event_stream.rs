//! Server-sent events (HTML, "Server-sent events"), for agents without server push.
//!
//! Each entry is one event, whose data is one line of JSON:
//!
//! ```text
//! event: message                      event: receipt
//! id: https://…/message/…             id: https://…/message/…
//! data: {"url":…,"subscription":…,    data: {"url":…,"status":204}
//!        "headers":{…},
//!        "last_modified":…,"body":…}
//! ```
//! `url` is the URL of the message, `subscription` the push URL it was sent to, `headers` are the forwarded headers, and
//! `body` is base64url.
//!
//! An agent that reconnects sends the last `id` as `Last-Event-ID`, and the stream resumes after that entry. This does not
//! acknowledge messages: the agent sends DELETE to the URL of each message (RFC 8030 §6.2). TTL 0 messages have no `id`,
//! since they cannot be fetched again. When a message is redelivered, its `id` becomes the last one, so that a
//! reconnect repeats the unacknowledged messages after it.
//!
//! Agents do not acknowledge receipts, so the `id` of a receipt is a URL of its own. The receipt is removed when
//! `Last-Event-ID` is that URL or a later one of the same receipt subscription, or on DELETE to that URL.

use super::json::push_string;
use crate::base64url;
use crate::capability::{Capability, KeyId, Keyring};
use crate::header::{Single, accepts_explicitly, single};
use crate::id::{EntryRef, InboxId, Position};
use crate::inbox::{Entry, OutboundEntry};
use crate::message::Draft;
use crate::receipt::{Receipt, ReceiptStatus};
use crate::subscription::{Protocol, Subscription};
use http::HeaderMap;
use http::header::HeaderName;

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The start of every stream: the reconnection time in milliseconds.
pub const PREAMBLE: &str = "retry: 5000\n\n";

/// A comment that keeps an idle connection open.
pub const KEEP_ALIVE: &str = ":\n\n";

/// The last event of a subscription that was removed (RFC 8030 §7.3).
pub const GONE: &str = "event: gone\ndata: {\"status\":404}\n\n";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Returns true if a request accepts server-sent events explicitly.
#[must_use]
pub fn is_requested(headers: &HeaderMap) -> bool {
    accepts_explicitly(headers, MEDIA_TYPE)
}

/// Returns the position in this inbox after which to resume, from `Last-Event-ID`.
///
/// An unknown ID, or one of another inbox, resumes at the start. The origin in the ID is ignored: the path is sealed, and
/// the public origin of the service may have changed.
#[must_use]
pub fn resume_after(headers: &HeaderMap, keyring: &Keyring, inbox: InboxId) -> Position {
    let Single::Value(id) = single(headers, &LAST_EVENT_ID) else { return Position::START };
    let path = str::from_utf8(id).ok().and_then(|id| {
        let (_, rest) = id.split_once("://").unwrap_or(("", id));
        rest.find('/').map(|at| &rest[at..])
    });
    match path.and_then(|path| keyring.open_below(path)) {
        Some(Capability::Message(entry)) if entry.inbox == inbox => entry.position,
        _ => Position::START,
    }
}

/// Renders an entry as an event. A receipt has no subscription.
///
/// Returns `None` if the sealing key of one of its URLs is missing, and for a message of another protocol, which cannot be
/// acknowledged here.
#[must_use]
pub fn event(
    entry: &OutboundEntry,
    subscription: Option<&Subscription>,
    keyring: &Keyring,
    origin: &str,
) -> Option<String> {
    if let OutboundEntry::Stored(Entry::Receipt(receipt)) = entry {
        return receipt_event(receipt, keyring, origin);
    }
    let Subscription { protocol, key, .. } = subscription?;
    match protocol {
        Protocol::Rfc8030 => message_event(entry.message()?, entry.entry_ref(), *key, keyring, origin),
        Protocol::Legacy | Protocol::Autopush(_) | Protocol::Chromium(..) => None,
    }
}

fn message_event(
    message: &Draft,
    entry: EntryRef,
    key: KeyId,
    keyring: &Keyring,
    origin: &str,
) -> Option<String> {
    let url = keyring.path(&Capability::Message(entry), message.key)?;
    let push = keyring.path(&Capability::Push(message.agent, message.subscription), key)?;
    let mut event = String::with_capacity(1024 + message.body.len() * 4 / 3);
    event.push_str("event: message\n");
    if !message.is_now_or_never() {
        event.push_str(&format!("id: {origin}{url}\n"));
    }
    event.push_str("data: {\"url\":");
    push_string(&mut event, format!("{origin}{url}").as_bytes());
    event.push_str(",\"subscription\":");
    push_string(&mut event, format!("{origin}{push}").as_bytes());
    event.push_str(",\"headers\":{");
    for (at, (name, value)) in message.encoding.headers().enumerate() {
        event.push_str(if at == 0 { "" } else { "," });
        push_string(&mut event, name.as_str().as_bytes());
        event.push(':');
        push_string(&mut event, value.as_bytes());
    }
    event.push_str("},\"last_modified\":");
    push_string(&mut event, message.accepted.http_date().as_bytes());
    event.push_str(",\"body\":\"");
    base64url::push(&mut event, &message.body);
    event.push_str("\"}\n\n");
    Some(event)
}

fn receipt_event(receipt: &Receipt, keyring: &Keyring, origin: &str) -> Option<String> {
    let own = keyring.path(&Capability::Message(receipt.entry_ref()), receipt.key)?;
    let about = keyring.path(&Capability::Message(receipt.about), receipt.key)?;
    let status = match receipt.status {
        ReceiptStatus::Acknowledged => 204,
        ReceiptStatus::Failed => 410,
    };
    let mut event = format!("event: receipt\nid: {origin}{own}\ndata: {{\"url\":");
    push_string(&mut event, format!("{origin}{about}").as_bytes());
    event.push_str(&format!(",\"status\":{status}}}\n\n"));
    Some(event)
}

#[cfg(test)]
mod tests;
