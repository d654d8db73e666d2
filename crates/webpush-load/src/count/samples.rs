//! Samples for the scenarios: one agent with one subscription, and messages of 200 bytes to it.

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Message};
use webpush_core::session::{InboxUpdate, Scope};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_service::sealing_cipher::Aes256GcmSiv;

pub(super) const ORIGIN: &str = "https://push.example";
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const KEY: KeyId = KeyId(1);
pub(super) const AGENT: InboxId = InboxId::from_bytes([0xa1; 16]);
pub(super) const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([0x52; 16]);
pub(super) const CHANNEL: ChannelId = ChannelId::from_bytes([0xc4; 16]);
pub(super) const BODY: [u8; 200] = [0x5a; 200];
pub(super) const SCOPE: Scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
/// The mask of the client's frames.
pub(super) const MASK: [u8; 4] = [1, 2, 3, 4];

pub(super) fn keyring() -> anyhow::Result<Keyring> {
    Keyring::new::<Aes256GcmSiv>(&[(KEY, [7; 32])]).context("a keyring needs a key")
}

pub(super) const fn inbox() -> Inbox {
    Inbox { id: AGENT, owner: Owner::Agent, created: NOW, key: KEY }
}

pub(super) const fn subscription(protocol: Protocol) -> Subscription {
    Subscription { agent: AGENT, id: SUBSCRIPTION, created: NOW, key: KEY, sender: None, protocol }
}

/// The headers that sender libraries send.
pub(super) fn headers() -> HeaderMap {
    let list = [
        ("host", "push.example"),
        ("content-length", "200"),
        ("content-type", "application/octet-stream"),
        ("content-encoding", "aes128gcm"),
        ("ttl", "2419200"),
        ("urgency", "normal"),
    ];
    let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    list.into_iter().map(header).collect()
}

/// Returns the message with a number, which is its position.
pub(super) fn message(number: u32) -> Message {
    draft(number).into_message(position(number))
}

pub(super) fn draft(number: u32) -> Draft {
    let mut id = [0x3d; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Draft {
        id: MessageId::from_bytes(id),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: NOW,
        expires: Timestamp::from_millis(NOW.as_millis() + 3_600_000),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::from_parts([None, Some(b"aes128gcm"), None, None]).unwrap_or_default(),
        key: KEY,
        receipt: None,
        body: Bytes::from_static(&BODY),
    }
}

fn position(number: u32) -> Position {
    Position::new(u64::from(number))
}

/// Returns the wakeup for a message by its number; the first is 1.
pub(super) fn woken(number: u32) -> InboxUpdate {
    InboxUpdate {
        previous: position(number - 1),
        last: position(number),
        entries: vec![Entry::Message(Arc::new(message(number)))],
        ..InboxUpdate::default()
    }
}
