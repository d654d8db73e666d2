//! The encoding of keys and values on disk.
//!
//! Numbers in keys are big-endian, so that keys sort like the numbers.

use super::fields::{Fields, RowWriter, unseal};
use super::key::Key;
use super::value::Value;
use crate::idle::{IdleClass, IdlePlace};
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::id::{ChannelId, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::subscription::{ChromiumApp, Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// The keyspaces of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Inbox → [`Inbox`].
    Inboxes,
    /// Agent, subscription → [`Subscription`].
    Subscriptions,
    /// Agent, channel → subscription ID. Only for subscriptions with a channel.
    Channels,
    /// Inbox, position → entry.
    Entries,
    /// Agent, subscription, topic → position of the message to replace.
    Topics,
    /// Deadline, inbox, position → message ID.
    Deadlines,
    /// Inbox → its [`UsageRow`](super::usage_row::UsageRow).
    Usages,
    /// Idle class, hour, inbox → empty. The order in which inboxes become idle.
    Idle,
    /// Inbox, urgency, position → empty. The order of dropping, for inboxes that were full.
    Ranks,
    /// Number of a batch of the engine → its marker; see [`super::batch_markers`].
    Batches,
}

impl Table {
    pub(super) const ALL: [Self; 10] = [
        Self::Inboxes,
        Self::Subscriptions,
        Self::Channels,
        Self::Entries,
        Self::Topics,
        Self::Deadlines,
        Self::Usages,
        Self::Idle,
        Self::Ranks,
        Self::Batches,
    ];

    /// Returns true if no key is ever put twice, because positions are not reused.
    ///
    /// Restored rows are the exception.
    pub(super) const fn puts_each_key_once(self) -> bool {
        matches!(self, Self::Entries | Self::Deadlines)
    }

    /// Returns the name of the keyspace on disk, which stays when the variant is renamed.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inboxes => "inboxes",
            Self::Subscriptions => "subscriptions",
            Self::Channels => "channels",
            Self::Entries => "entries",
            Self::Topics => "topics",
            Self::Deadlines => "deadlines",
            // Usage rows were called ledgers when the name was chosen.
            Self::Usages => "ledgers",
            Self::Idle => "idle",
            Self::Ranks => "ranks",
            Self::Batches => "batches",
        }
    }
}

pub(super) fn subscription_key(agent: InboxId, id: SubscriptionId) -> [u8; 32] {
    join(agent.as_bytes(), id.as_bytes())
}

pub(super) fn channel_key(agent: InboxId, channel: ChannelId) -> [u8; 32] {
    join(agent.as_bytes(), channel.as_bytes())
}

/// The size of the key of an entry.
pub(super) const ENTRY_KEY_BYTES: usize = 24;

pub(super) fn entry_key(inbox: InboxId, position: Position) -> [u8; ENTRY_KEY_BYTES] {
    join(inbox.as_bytes(), &position.get().to_be_bytes())
}

pub(super) fn topic_key(agent: InboxId, subscription: SubscriptionId, topic: &Topic) -> Key {
    Key::from(&[&subscription_key(agent, subscription), topic.as_bytes()].concat()[..])
}

pub(super) fn deadline_key(ends: Timestamp, inbox: InboxId, position: Position) -> [u8; 32] {
    join(&ends.as_millis().to_be_bytes(), &entry_key(inbox, position))
}

pub(super) fn idle_key((class, hour, inbox): IdlePlace) -> [u8; 25] {
    let class = match class {
        IdleClass::Fresh => 1,
        IdleClass::Used => 2,
    };
    join(&[class], &join::<24>(&hour.to_be_bytes(), inbox.as_bytes()))
}

pub(super) fn rank_key(inbox: InboxId, urgency: Urgency, position: Position) -> [u8; 25] {
    join(&join::<17>(inbox.as_bytes(), &[urgency_byte(urgency)]), &position.get().to_be_bytes())
}

fn join<const N: usize>(first: &[u8], second: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key[..first.len()].copy_from_slice(first);
    key[first.len()..].copy_from_slice(second);
    key
}

pub(super) fn read_subscription_key(key: &[u8]) -> Option<(InboxId, SubscriptionId)> {
    let mut fields = Fields(key);
    Some((InboxId::from_bytes(fields.array()?), SubscriptionId::from_bytes(fields.array()?)))
}

pub(super) fn read_inbox_key(key: &[u8]) -> Option<InboxId> {
    key.try_into().ok().map(InboxId::from_bytes)
}

pub(super) fn read_entry_key(key: &[u8]) -> Option<(InboxId, Position)> {
    let mut fields = Fields(key);
    Some((InboxId::from_bytes(fields.array()?), Position::new(u64::from_be_bytes(fields.array()?))))
}

pub(super) fn read_deadline_key(key: &[u8]) -> Option<(Timestamp, InboxId, Position)> {
    let mut fields = Fields(key);
    let expires = Timestamp::from_millis(u64::from_be_bytes(fields.array()?));
    let (inbox, position) = read_entry_key(fields.0)?;
    Some((expires, inbox, position))
}

pub(super) fn read_idle_key(key: &[u8]) -> Option<IdlePlace> {
    let mut fields = Fields(key);
    let class = match fields.u8()? {
        1 => IdleClass::Fresh,
        2 => IdleClass::Used,
        _ => return None,
    };
    let hour = u64::from_be_bytes(fields.array()?);
    Some((class, hour, InboxId::from_bytes(fields.array()?)))
}

pub(super) fn read_rank_key(key: &[u8]) -> Option<(Urgency, Position)> {
    let mut fields = Fields(key);
    fields.bytes(16)?;
    let urgency = read_urgency(fields.u8()?)?;
    Some((urgency, Position::new(u64::from_be_bytes(fields.array()?))))
}

pub(super) const fn urgency_byte(urgency: Urgency) -> u8 {
    match urgency {
        Urgency::VeryLow => 1,
        Urgency::Low => 2,
        Urgency::Normal => 3,
        Urgency::High => 4,
    }
}

pub(super) fn read_urgency(byte: u8) -> Option<Urgency> {
    Urgency::ALL.into_iter().find(|urgency| urgency_byte(*urgency) == byte)
}

pub(super) fn inbox_value(inbox: &Inbox) -> Value {
    let owner = match inbox.owner {
        Owner::Agent => 1,
        Owner::Receipts => 2,
    };
    let mut row = RowWriter::new(10);
    row.u8(owner).u64(inbox.created.as_millis()).u8(inbox.key.0);
    row.seal(inbox.id.as_bytes())
}

pub(super) fn read_inbox(id: InboxId, value: &[u8]) -> Option<Inbox> {
    let mut fields = unseal(id.as_bytes(), value)?;
    let owner = match fields.u8()? {
        1 => Owner::Agent,
        2 => Owner::Receipts,
        _ => return None,
    };
    Some(Inbox { id, owner, created: fields.timestamp()?, key: KeyId(fields.u8()?) })
}

/// The length of a sender's key, which marks a row that has one.
const SENDER_BYTES: usize = 65;
/// Marks the row of an autopush subscription, before its channel.
const AUTOPUSH: u8 = 1;
/// Marks the row of a subscription of the legacy (2015) API.
const LEGACY: u8 = 2;
/// Marks the row of a Chromium subscription.
///
/// Its channel, the length of its category, its category and its subtype follow.
const CHROMIUM: u8 = 3;
/// The first byte of every sender's key, an uncompressed point. No mark may be the same.
const SENDER_START: u8 = 4;
const _: () = assert!(CHROMIUM != SENDER_START, "a mark must differ from the start of a key");

/// Creation time, sealing key, and the sender if any; then nothing for RFC 8030, or the protocol.
pub(super) fn subscription_value(subscription: &Subscription) -> Value {
    let texts = match &subscription.protocol {
        Protocol::Chromium(_, app) => 1 + app.category().len() + app.subtype().len(),
        Protocol::Rfc8030 | Protocol::Autopush(_) | Protocol::Legacy => 0,
    };
    let mut row = RowWriter::new(9 + SENDER_BYTES + 17 + texts);
    row.u64(subscription.created.as_millis()).u8(subscription.key.0);
    if let Some(SenderKey(point)) = &subscription.sender {
        row.bytes(point);
    }
    match &subscription.protocol {
        Protocol::Rfc8030 => {}
        Protocol::Autopush(channel) => drop(row.u8(AUTOPUSH).bytes(channel.as_bytes())),
        Protocol::Legacy => drop(row.u8(LEGACY)),
        Protocol::Chromium(channel, app) => {
            #[allow(clippy::cast_possible_truncation, reason = "a category has at most 255 bytes")]
            let length = app.category().len() as u8;
            row.u8(CHROMIUM).bytes(channel.as_bytes()).u8(length);
            row.bytes(app.category().as_bytes()).bytes(app.subtype().as_bytes());
        }
    }
    row.seal(&subscription_key(subscription.agent, subscription.id))
}

pub(super) fn read_subscription(agent: InboxId, id: SubscriptionId, value: &[u8]) -> Option<Subscription> {
    let mut fields = unseal(&subscription_key(agent, id), value)?;
    let (created, key) = (fields.timestamp()?, KeyId(fields.u8()?));
    // No mark says whether there is a sender, only the length of what is left. A protocol that may be
    // as long is told from a sender by its mark.
    let is_long_protocol = fields.0.first() == Some(&CHROMIUM);
    let has_sender = fields.0.len() >= SENDER_BYTES && !is_long_protocol;
    let sender = if has_sender { Some(SenderKey(fields.array()?)) } else { None };
    let protocol = match fields.0 {
        [] => Protocol::Rfc8030,
        [AUTOPUSH, channel @ ..] => Protocol::Autopush(ChannelId::from_bytes(channel.try_into().ok()?)),
        [LEGACY] => Protocol::Legacy,
        [CHROMIUM, parameters @ ..] => read_chromium(parameters)?,
        // A protocol of a later version, or parameters that a protocol does not have. Reported as damage, never guessed.
        [_, ..] => return None,
    };
    Some(Subscription { agent, id, created, key, sender, protocol })
}

fn read_chromium(parameters: &[u8]) -> Option<Protocol> {
    let mut fields = Fields(parameters);
    let channel = ChannelId::from_bytes(fields.array()?);
    let length = usize::from(fields.u8()?);
    let category = str::from_utf8(fields.bytes(length)?).ok()?;
    let app = ChromiumApp::new(category, str::from_utf8(fields.0).ok()?)?;
    Some(Protocol::Chromium(channel, Arc::new(app)))
}

/// The value of a channel: its subscription.
pub(super) fn channel_value(key: &[u8], id: SubscriptionId) -> Value {
    let mut row = RowWriter::new(16);
    row.bytes(id.as_bytes());
    row.seal(key)
}

pub(super) fn read_channel(key: &[u8], value: &[u8]) -> Option<SubscriptionId> {
    unseal(key, value)?.array().map(SubscriptionId::from_bytes)
}

/// The value of a row whose key has all information.
pub(super) fn empty_value(key: &[u8]) -> Value {
    RowWriter::new(0).seal(key)
}

/// The value of a topic: the position of the message to replace.
pub(super) fn position_value(key: &[u8], position: Position) -> Value {
    let mut row = RowWriter::new(8);
    row.u64(position.get());
    row.seal(key)
}

pub(super) fn read_position(key: &[u8], value: &[u8]) -> Option<Position> {
    unseal(key, value)?.u64().map(Position::new)
}

/// The value of a deadline: its message.
pub(super) fn message_id_value(key: &[u8], id: MessageId) -> Value {
    let mut row = RowWriter::new(16);
    row.bytes(id.as_bytes());
    row.seal(key)
}

pub(super) fn read_message_id(key: &[u8], value: &[u8]) -> Option<MessageId> {
    unseal(key, value)?.array().map(MessageId::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::successors;

    /// Returns an example of the protocol after this one.
    ///
    /// A new protocol does not compile until it has its place here.
    fn next(protocol: &Protocol) -> Option<Protocol> {
        match protocol {
            Protocol::Rfc8030 => Some(Protocol::Autopush(ChannelId::from_bytes([255; 16]))),
            Protocol::Autopush(_) => Some(Protocol::Legacy),
            Protocol::Legacy => chromium(1, 1),
            Protocol::Chromium(_, app) if app.category().len() == 1 => chromium(255, 1024),
            Protocol::Chromium(..) => None,
        }
    }

    fn chromium(category: usize, subtype: usize) -> Option<Protocol> {
        let app = ChromiumApp::new(&"c".repeat(category), &"s".repeat(subtype))?;
        Some(Protocol::Chromium(ChannelId::from_bytes([255; 16]), Arc::new(app)))
    }

    #[test]
    fn subscriptions_of_all_protocols_survive_their_encoding() {
        let (agent, id) = (InboxId::from_bytes([1; 16]), SubscriptionId::from_bytes([2; 16]));
        for protocol in successors(Some(Protocol::Rfc8030), next) {
            for sender in [None, Some(SenderKey([SENDER_START; SENDER_BYTES]))] {
                let created = Timestamp::from_millis(u64::MAX);
                let protocol = protocol.clone();
                let written = Subscription { agent, id, created, key: KeyId(3), sender, protocol };
                let read = read_subscription(agent, id, &subscription_value(&written));
                assert_eq!(read, Some(written));
            }
        }
    }
}
