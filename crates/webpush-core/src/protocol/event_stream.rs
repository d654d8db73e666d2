//! Server-sent events (HTML, "Server-sent events"): the inbox for agents that can't take server push.
//!
//! Each entry is one event, and each event one line of JSON:
//!
//! ```text
//! event: message                      event: receipt
//! id: https://…/message/…             id: https://…/message/…
//! data: {"url":…,"subscription":…,    data: {"url":…,"status":204}
//!        "headers":{…},
//!        "last_modified":…,"body":…}
//! ```
//! `url` names the message; `subscription` is the push URL that it came to; `headers` are the sender's, as they came;
//! `body` is base64url.
//!
//! The `id` comes back as `Last-Event-ID` when the agent connects again, and means: I have everything up to this. It
//! acknowledges no message; for that the agent sends DELETE to the message's URL (RFC 8030 §6.2). A message that
//! is never fetched (TTL 0) has no `id`, so that the one before it stays the place to go on from. When a
//! message is sent again, the place moves back to it, and all after it that is still unacknowledged comes again.
//!
//! Nothing comes back for a receipt, so its `id` is a URL of its own: the receipt is taken, and forgotten, when
//! `Last-Event-ID` names it or a later one of the same receipt subscription, or on DELETE to that URL.

use super::json::push_string;
use crate::base64url;
use crate::capability::{Capability, KeyId, Keyring};
use crate::header::{Single, accepts_by_name, single};
use crate::id::{EntryRef, InboxId, Position};
use crate::inbox::{Entry, OutboundEntry};
use crate::message::Draft;
use crate::receipt::{Receipt, ReceiptStatus};
use crate::subscription::{Protocol, Subscription};
use http::HeaderMap;
use http::header::HeaderName;

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The beginning of every stream: after how many milliseconds to come again when it has ended.
pub const OPENING: &str = "retry: 5000\n\n";

/// A comment, for the silence between two events.
pub const KEEP_ALIVE: &str = ":\n\n";

/// The last event when what was listened to was removed (RFC 8030 §7.3).
pub const GONE: &str = "event: gone\ndata: {\"status\":404}\n\n";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whether a request asks for events rather than for server push.
#[must_use]
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    accepts_by_name(headers, MEDIA_TYPE)
}

/// After which entry of this inbox to go on. An id of elsewhere, or of nowhere, is no reason not to listen: then it
/// begins at the start. Only the path counts, since it is sealed; the public origin may have changed meanwhile.
#[must_use]
pub fn resume_after(headers: &HeaderMap, keyring: &Keyring, inbox: InboxId) -> Position {
    let Single::Value(id) = single(headers, &LAST_EVENT_ID) else { return Position::START };
    let path = str::from_utf8(id).ok().and_then(|id| {
        let (_, rest) = id.split_once("://").unwrap_or(("", id));
        rest.find('/').map(|at| &rest[at..])
    });
    match path.and_then(|path| keyring.open(path)) {
        Some(Capability::Message(entry)) if entry.inbox == inbox => entry.position,
        _ => Position::START,
    }
}

/// Renders an entry. A receipt has no subscription.
///
/// Returns `None` when a URL can't be made because its sealing key is not held any more, and for a message of
/// another protocol, whose agent could not acknowledge the event.
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
    let Subscription { protocol, key, .. } = *subscription?;
    match protocol {
        Protocol::Rfc8030 => message_event(entry.message()?, entry.entry_ref(), key, keyring, origin),
        Protocol::Legacy | Protocol::Autopush(_) => None,
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
