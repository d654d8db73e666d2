//! How keys and values are written on disk.
//!
//! Numbers in keys are big-endian, so that keys sort like the numbers. A value is a version byte, the fields, and a
//! checksum of key and value: a row that was read under the key of another one is noticed as well.

use fjall::Slice;
use webpush_core::capability::KeyId;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::subscription::{SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const ROW_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// The keyspaces of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Inbox → [`Inbox`].
    Inboxes,
    /// Agent, subscription → [`Subscription`].
    Subscriptions,
    /// Inbox, position → entry.
    Entries,
    /// Agent, subscription, topic → position of the message to replace.
    Topics,
    /// Deadline, inbox, position → message id.
    Deadlines,
    /// Number of a batch → its mark; see [`super::marks`].
    Batches,
}

impl Table {
    pub(super) const ALL: [Self; 6] =
        [Self::Inboxes, Self::Subscriptions, Self::Entries, Self::Topics, Self::Deadlines, Self::Batches];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inboxes => "inboxes",
            Self::Subscriptions => "subscriptions",
            Self::Entries => "entries",
            Self::Topics => "topics",
            Self::Deadlines => "deadlines",
            Self::Batches => "batches",
        }
    }
}

pub(super) fn subscription_key(agent: InboxId, id: SubscriptionId) -> [u8; 32] {
    join(agent.as_bytes(), id.as_bytes())
}

pub(super) fn entry_key(inbox: InboxId, position: Position) -> [u8; 24] {
    join(inbox.as_bytes(), &position.get().to_be_bytes())
}

pub(super) fn topic_key(agent: InboxId, subscription: SubscriptionId, topic: &Topic) -> Vec<u8> {
    [&subscription_key(agent, subscription), topic.as_bytes()].concat()
}

pub(super) fn deadline_key(expires: Timestamp, inbox: InboxId, position: Position) -> [u8; 32] {
    join(&expires.as_millis().to_be_bytes(), &entry_key(inbox, position))
}

fn join<const N: usize>(first: &[u8], second: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key[..first.len()].copy_from_slice(first);
    key[first.len()..].copy_from_slice(second);
    key
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

pub(super) fn inbox_value(inbox: &Inbox) -> Slice {
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

pub(super) fn subscription_value(subscription: &Subscription) -> Slice {
    let mut row = RowWriter::new(74);
    row.u64(subscription.created.as_millis()).u8(subscription.key.0);
    if let Some(SenderKey(point)) = &subscription.sender {
        row.bytes(point);
    }
    row.seal(&subscription_key(subscription.agent, subscription.id))
}

pub(super) fn read_subscription(agent: InboxId, id: SubscriptionId, value: &[u8]) -> Option<Subscription> {
    let mut fields = unseal(&subscription_key(agent, id), value)?;
    let (created, key) = (fields.timestamp()?, KeyId(fields.u8()?));
    let sender = if fields.0.is_empty() { None } else { Some(SenderKey(fields.array()?)) };
    Some(Subscription { agent, id, created, key, sender })
}

/// Of a topic: where the message to replace is.
pub(super) fn position_value(key: &[u8], position: Position) -> Slice {
    let mut row = RowWriter::new(8);
    row.u64(position.get());
    row.seal(key)
}

pub(super) fn read_position(key: &[u8], value: &[u8]) -> Option<Position> {
    unseal(key, value)?.u64().map(Position::new)
}

/// Of a deadline: which message it is.
pub(super) fn message_id_value(key: &[u8], id: MessageId) -> Slice {
    let mut row = RowWriter::new(16);
    row.bytes(id.as_bytes());
    row.seal(key)
}

pub(super) fn read_message_id(key: &[u8], value: &[u8]) -> Option<MessageId> {
    unseal(key, value)?.array().map(MessageId::from_bytes)
}

/// A value in the making.
pub(super) struct RowWriter(Vec<u8>);

impl RowWriter {
    /// `bytes` is how long the fields will be together.
    pub(super) fn new(bytes: usize) -> Self {
        let mut row = Vec::with_capacity(1 + bytes + CHECKSUM_BYTES);
        row.push(ROW_VERSION);
        Self(row)
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn seal(mut self, key: &[u8]) -> Slice {
        let checksum = checksum(key, &self.0);
        self.bytes(&checksum);
        Slice::from(self.0)
    }
}

/// The fields of a value that is what was written under this key.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<Fields<'a>> {
    let (row, sum) = value.split_last_chunk::<CHECKSUM_BYTES>()?;
    (checksum(key, row) == *sum).then(|| unseal_unchecked(value)).flatten()
}

/// The fields of a value that may be damaged.
pub(super) fn unseal_unchecked(value: &[u8]) -> Option<Fields<'_>> {
    let (row, _) = value.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (version, fields) = row.split_first()?;
    (*version == ROW_VERSION).then_some(Fields(fields))
}

#[allow(clippy::cast_possible_truncation, reason = "32 of 64 bits are enough to notice damage")]
pub(super) fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    (xxh3_64_with_seed(value, xxh3_64(key)) as u32).to_le_bytes()
}

/// What is left of a value to read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn timestamp(&mut self) -> Option<Timestamp> {
        self.u64().map(Timestamp::from_millis)
    }
}
