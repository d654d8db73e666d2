//! The encoding of messages and receipts on disk.
//!
//! Kind and message ID come first, so that a lookup by ID reads no more.

use super::fields::{Fields, RowWriter, unseal, unseal_unchecked};
use super::rows::{entry_key, read_urgency, urgency_byte};
use super::value::Value;
use bytes::Bytes;
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::message::{Draft, Message};
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

const MESSAGE: u8 = 1;
const RECEIPT: u8 = 2;
/// The length that stands for a missing forwarded header; others are far shorter.
const ABSENT: u16 = u16::MAX;
/// The fixed part of a message row, with room for a receipt inbox.
const MESSAGE_HEAD_BYTES: usize = 80;
/// Two IDs and two times.
const BEFORE_URGENCY_BYTES: usize = 48;

pub(super) fn message_value(message: &Message) -> Value {
    let parts = message.encoding.parts();
    let encoding_bytes: usize = parts.iter().flatten().map(|part| part.len()).sum();
    let topic = message.topic.as_ref().map_or(&[][..], Topic::as_bytes);
    let mut row = RowWriter::new(MESSAGE_HEAD_BYTES + topic.len() + encoding_bytes + message.body.len());
    row.u8(MESSAGE).bytes(message.id.as_bytes()).bytes(message.subscription.as_bytes());
    row.u64(message.accepted.as_millis()).u64(message.expires.as_millis());
    row.u8(urgency_byte(message.urgency)).u8(message.key.0);
    // Topics have at most 32 characters and forwarded headers at most 512: both lengths fit.
    row.u8(u8::try_from(topic.len()).unwrap_or_default()).bytes(topic);
    row.u8(u8::from(message.receipt.is_some()));
    if let Some(inbox) = message.receipt {
        row.bytes(inbox.as_bytes());
    }
    for part in parts {
        row.u16(part.map_or(ABSENT, |part| u16::try_from(part.len()).unwrap_or(ABSENT)));
        row.bytes(part.unwrap_or_default());
    }
    row.bytes(&message.body);
    row.seal(&entry_key(message.agent, message.position))
}

pub(super) fn receipt_value(receipt: &Receipt) -> Value {
    let status = match receipt.status {
        ReceiptStatus::Acknowledged => 1,
        ReceiptStatus::Failed => 2,
    };
    let mut row = RowWriter::new(43);
    row.u8(RECEIPT).bytes(receipt.about.message.as_bytes());
    row.bytes(receipt.about.inbox.as_bytes()).u64(receipt.about.position.get());
    row.u8(receipt.key.0).u8(status);
    row.seal(&entry_key(receipt.inbox, receipt.position))
}

/// Returns the message of a row or receipt, if the row is intact enough.
pub(super) fn read_entry_id(value: &[u8]) -> Option<MessageId> {
    let mut fields = unseal_unchecked(value)?;
    fields.u8()?;
    fields.array().map(MessageId::from_bytes)
}

/// Returns the urgency of a row's message, if the row is intact enough.
///
/// A receipt has the lowest urgency.
pub(super) fn read_entry_urgency(value: &[u8]) -> Option<Urgency> {
    let mut fields = unseal_unchecked(value)?;
    match fields.u8()? {
        MESSAGE => read_urgency(*fields.bytes(BEFORE_URGENCY_BYTES + 1)?.last()?),
        RECEIPT => Some(Urgency::VeryLow),
        _ => None,
    }
}

pub(super) fn read_entry(inbox: InboxId, position: Position, value: &[u8]) -> Option<Entry> {
    read(unseal(&entry_key(inbox, position), value)?, inbox, position)
}

/// The fields of an entry that its end needs: all but the headers and the body.
pub(super) enum EntryHead {
    Message(MessageHead),
    Receipt(Receipt),
}

/// The fields of a message without its headers and its body.
pub(super) struct MessageHead {
    pub(super) id: MessageId,
    pub(super) subscription: SubscriptionId,
    pub(super) accepted: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) urgency: Urgency,
    pub(super) key: KeyId,
    pub(super) topic: Option<Topic>,
    pub(super) receipt: Option<InboxId>,
    pub(super) body_bytes: u64,
}

/// Reads the head of an entry. The rest is verified, but neither decoded nor copied.
pub(super) fn read_entry_head(inbox: InboxId, position: Position, value: &[u8]) -> Option<EntryHead> {
    head(unseal(&entry_key(inbox, position), value)?, inbox, position)
}

/// Reads the head of an entry even if the entry is damaged.
///
/// A removed entry must leave no index rows behind.
pub(super) fn salvage_entry_head(inbox: InboxId, position: Position, value: &[u8]) -> Option<EntryHead> {
    head(unseal_unchecked(value)?, inbox, position)
}

fn head(mut fields: Fields<'_>, inbox: InboxId, position: Position) -> Option<EntryHead> {
    let kind = fields.u8()?;
    let id = MessageId::from_bytes(fields.array()?);
    match kind {
        MESSAGE => {
            let mut head = message_head(&mut fields, id)?;
            encoding_parts(&mut fields)?;
            head.body_bytes = fields.0.len() as u64;
            Some(EntryHead::Message(head))
        }
        RECEIPT => read_receipt(fields, id, inbox, position).map(EntryHead::Receipt),
        _ => None,
    }
}

fn read(mut fields: Fields<'_>, inbox: InboxId, position: Position) -> Option<Entry> {
    let kind = fields.u8()?;
    let id = MessageId::from_bytes(fields.array()?);
    match kind {
        MESSAGE => {
            let message = read_message(fields, id, inbox, position)?;
            Some(Entry::Message(Arc::new(message)))
        }
        RECEIPT => read_receipt(fields, id, inbox, position).map(Entry::Receipt),
        _ => None,
    }
}

/// Reads the fields of a message up to its headers. The size of its body is left at zero.
fn message_head(fields: &mut Fields<'_>, id: MessageId) -> Option<MessageHead> {
    let subscription = SubscriptionId::from_bytes(fields.array()?);
    let (accepted, expires) = (fields.timestamp()?, fields.timestamp()?);
    let urgency = read_urgency(fields.u8()?)?;
    let key = KeyId(fields.u8()?);
    let topic = match fields.u8()? {
        0 => None,
        length => Some(Topic::parse(fields.bytes(length.into())?)?),
    };
    let receipt = match fields.u8()? {
        0 => None,
        _ => Some(InboxId::from_bytes(fields.array()?)),
    };
    Some(MessageHead { id, subscription, accepted, expires, urgency, key, topic, receipt, body_bytes: 0 })
}

fn encoding_parts<'a>(fields: &mut Fields<'a>) -> Option<[Option<&'a [u8]>; 4]> {
    let mut parts = [None; 4];
    for part in &mut parts {
        *part = match fields.u16()? {
            ABSENT => None,
            length => Some(fields.bytes(length.into())?),
        };
    }
    Some(parts)
}

fn read_message(
    mut fields: Fields<'_>,
    id: MessageId,
    agent: InboxId,
    position: Position,
) -> Option<Message> {
    let head = message_head(&mut fields, id)?;
    let encoding = Encoding::from_parts(encoding_parts(&mut fields)?)?;
    let body = Bytes::copy_from_slice(fields.0);
    let MessageHead { subscription, accepted, expires, urgency, key, topic, receipt, .. } = head;
    let draft =
        Draft { id, agent, subscription, accepted, expires, urgency, topic, encoding, key, receipt, body };
    Some(draft.into_message(position))
}

fn read_receipt(
    mut fields: Fields<'_>,
    message: MessageId,
    inbox: InboxId,
    position: Position,
) -> Option<Receipt> {
    let about_inbox = InboxId::from_bytes(fields.array()?);
    let about = EntryRef { inbox: about_inbox, position: Position::new(fields.u64()?), message };
    let key = KeyId(fields.u8()?);
    let status = match fields.u8()? {
        1 => ReceiptStatus::Acknowledged,
        2 => ReceiptStatus::Failed,
        _ => return None,
    };
    Some(Receipt { inbox, position, about, key, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOX: InboxId = InboxId::from_bytes([1; 16]);

    fn rows() -> [Entry; 2] {
        let message = Draft {
            id: MessageId::from_bytes([2; 16]),
            agent: INBOX,
            subscription: SubscriptionId::from_bytes([3; 16]),
            accepted: Timestamp::from_millis(5),
            expires: Timestamp::from_millis(6),
            urgency: Urgency::Low,
            topic: Topic::parse(b"news"),
            encoding: Encoding::from_parts([Some(b"text/plain"), Some(b"aes128gcm"), None, None]).unwrap(),
            key: KeyId(7),
            receipt: Some(InboxId::from_bytes([8; 16])),
            body: Bytes::from_static(b"opaque"),
        }
        .into_message(Position::new(4));
        let receipt = Receipt {
            inbox: INBOX,
            position: Position::new(4),
            about: message.entry_ref(),
            key: KeyId(7),
            status: ReceiptStatus::Failed,
        };
        [Entry::Message(Arc::new(message)), Entry::Receipt(receipt)]
    }

    fn value(entry: &Entry) -> Value {
        match entry {
            Entry::Message(message) => message_value(message),
            Entry::Receipt(receipt) => receipt_value(receipt),
        }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        for entry in rows() {
            let value = value(&entry);
            assert_eq!(read_entry_id(&value), Some(entry.entry_ref().message));
            let urgency = if matches!(entry, Entry::Message(_)) { Urgency::Low } else { Urgency::VeryLow };
            assert_eq!(read_entry_urgency(&value), Some(urgency));
            assert_eq!(read_entry(INBOX, Position::new(4), &value), Some(entry.clone()));
            for head in
                [read_entry_head, salvage_entry_head].map(|read| read(INBOX, Position::new(4), &value))
            {
                match (head, &entry) {
                    (Some(EntryHead::Message(head)), Entry::Message(message)) => {
                        assert_eq!((head.id, head.topic, head.body_bytes), (message.id, message.topic, 6));
                        assert_eq!((head.receipt, head.key), (message.receipt, message.key));
                    }
                    (Some(EntryHead::Receipt(head)), Entry::Receipt(receipt)) => assert_eq!(head, *receipt),
                    _ => panic!("the head is of another kind"),
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let assert_noticed = |damaged: &Value| {
            assert_eq!(read_entry(INBOX, Position::new(4), damaged), None);
            assert!(read_entry_head(INBOX, Position::new(4), damaged).is_none());
            // It must not panic.
            let _: Option<EntryHead> = salvage_entry_head(INBOX, Position::new(4), damaged);
        };
        for entry in rows() {
            let value = value(&entry);
            for index in 0..value.len() {
                for bit in 0..8 {
                    let mut damaged = value.to_vec();
                    damaged[index] ^= 1 << bit;
                    assert_noticed(&Value::from(damaged));
                }
                assert_noticed(&Value::from(&value[..index]));
            }
            assert_eq!(read_entry(INBOX, Position::new(5), &value), None, "it is of another place");
        }
    }
}
