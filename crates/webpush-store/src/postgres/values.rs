//! Conversion between columns and the types of the core.

use super::working_set::{EntryRow, InboxRow, MessageRow};
use crate::InboxUsage;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::error::Error;
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::{ChromiumApp, Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// An ID as a value of the type `uuid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid(pub(super) [u8; 16]);

macro_rules! from_id {
    ($($id:ident)*) => {
        $(impl From<$id> for Uuid {
            fn from(id: $id) -> Self {
                Self(*id.as_bytes())
            }
        }

        impl From<Uuid> for $id {
            fn from(Uuid(bytes): Uuid) -> Self {
                Self::from_bytes(bytes)
            }
        })*
    };
}

from_id! { InboxId SubscriptionId ChannelId MessageId }

impl ToSql for Uuid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    accepts!(UUID);
}

/// A stored row that cannot be read: the database was changed by something else.
#[derive(Debug)]
pub(super) struct Damaged;

type Read<T> = Result<T, Damaged>;

fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Read<T> {
    row.try_get(column).map_err(|_| Damaged)
}

pub(super) fn id<T: From<Uuid>>(row: &Row, column: &str) -> Read<T> {
    get::<Uuid>(row, column).map(T::from)
}

fn optional_id<T: From<Uuid>>(row: &Row, column: &str) -> Read<Option<T>> {
    Ok(get::<Option<Uuid>>(row, column)?.map(T::from))
}

/// Returns the column of a time. Times after the year 292 million are the last one.
pub(super) fn from_time(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn to_time(millis: i64) -> Timestamp {
    match millis {
        i64::MAX => Timestamp::NEVER,
        millis => Timestamp::from_millis(millis.unsigned_abs()),
    }
}

fn time(row: &Row, column: &str) -> Read<Timestamp> {
    get(row, column).map(to_time)
}

/// Returns the column of a position.
///
/// Stored ones are far below [`i64::MAX`]; [`Position::END`] is only searched for.
pub(super) fn from_position(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

pub(super) fn position(row: &Row, column: &str) -> Read<Position> {
    get::<i64>(row, column).map(|value| Position::new(value.unsigned_abs()))
}

pub(super) fn count(row: &Row, column: &str) -> Read<u64> {
    get::<i64>(row, column).map(i64::unsigned_abs)
}

pub(super) fn from_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn key(row: &Row) -> Read<KeyId> {
    u8::try_from(get::<i16>(row, "key")?).map(KeyId).map_err(|_| Damaged)
}

pub(super) const fn from_owner(owner: Owner) -> i16 {
    match owner {
        Owner::Agent => 0,
        Owner::Receipts => 1,
    }
}

pub(super) fn inbox(row: &Row) -> Read<Inbox> {
    let owner = match get::<i16>(row, "owner")? {
        0 => Owner::Agent,
        1 => Owner::Receipts,
        _ => return Err(Damaged),
    };
    Ok(Inbox { id: id(row, "id")?, owner, created: time(row, "created")?, key: key(row)? })
}

pub(super) fn inbox_row(row: &Row) -> Read<InboxRow> {
    let usage = InboxUsage {
        entries: count(row, "entries")?,
        body_bytes: count(row, "body_bytes")?,
        subscriptions: count(row, "subscriptions")?,
    };
    let monitored = get::<Option<i32>>(row, "monitored")?.map(|hour| u64::from(hour.unsigned_abs()));
    Ok(InboxRow { inbox: inbox(row)?, last: position(row, "last")?, usage, monitored })
}

/// Returns the column of an hour since 1970.
pub(super) fn from_hour(hour: u64) -> i32 {
    i32::try_from(hour).unwrap_or(i32::MAX)
}

/// The columns of a protocol: its number, channel, category and subtype.
type ProtocolColumns<'p> = (i16, Option<Uuid>, Option<&'p [u8]>, Option<&'p [u8]>);

pub(super) fn from_protocol(protocol: &Protocol) -> ProtocolColumns<'_> {
    match protocol {
        Protocol::Rfc8030 => (0, None, None, None),
        Protocol::Autopush(channel) => (1, Some((*channel).into()), None, None),
        Protocol::Legacy => (2, None, None, None),
        Protocol::Chromium(channel, app) => {
            (3, Some((*channel).into()), Some(app.category().as_bytes()), Some(app.subtype().as_bytes()))
        }
    }
}

fn protocol(row: &Row) -> Read<Protocol> {
    let channel = optional_id::<ChannelId>(row, "channel")?;
    Ok(match (get::<i16>(row, "protocol")?, channel) {
        (0, _) => Protocol::Rfc8030,
        (1, Some(channel)) => Protocol::Autopush(channel),
        (2, _) => Protocol::Legacy,
        (3, Some(channel)) => {
            let text = |column| std::str::from_utf8(get(row, column)?).map_err(|_| Damaged);
            let app = ChromiumApp::new(text("category")?, text("subtype")?).ok_or(Damaged)?;
            Protocol::Chromium(channel, Arc::new(app))
        }
        _ => return Err(Damaged),
    })
}

pub(super) fn subscription(row: &Row) -> Read<Subscription> {
    let sender = match get::<Option<&[u8]>>(row, "sender")? {
        Some(bytes) => Some(SenderKey(bytes.try_into().map_err(|_| Damaged)?)),
        None => None,
    };
    Ok(Subscription {
        agent: id(row, "agent")?,
        id: id(row, "id")?,
        created: time(row, "created")?,
        key: key(row)?,
        sender,
        protocol: protocol(row)?,
    })
}

pub(super) fn from_urgency(urgency: Urgency) -> i16 {
    Urgency::ALL.iter().zip(0..).find(|(level, _)| **level == urgency).map_or(2, |(_, number)| number)
}

fn urgency(row: &Row) -> Read<Urgency> {
    let number = usize::try_from(get::<i16>(row, "urgency")?).map_err(|_| Damaged)?;
    Urgency::ALL.get(number).copied().ok_or(Damaged)
}

pub(super) fn from_topic(topic: &Topic) -> &str {
    // Topics are of the base64url alphabet (RFC 8030 §5.4).
    std::str::from_utf8(topic.as_bytes()).unwrap_or_default()
}

fn topic(row: &Row) -> Read<Option<Topic>> {
    match get::<Option<&str>>(row, "topic")? {
        Some(text) => Topic::parse(text.as_bytes()).map(Some).ok_or(Damaged),
        None => Ok(None),
    }
}

/// Returns the column of the forwarded headers.
///
/// Each is a length of two bytes, 65,535 if the header is absent, and its value. `None` if there are none, as for most messages.
pub(super) fn from_encoding(encoding: &Encoding) -> Option<Vec<u8>> {
    let parts = encoding.parts();
    if *encoding == Encoding::default() {
        return None;
    }
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Some(value) => {
                let length = u16::try_from(value.len()).unwrap_or(ABSENT - 1);
                bytes.extend(length.to_be_bytes());
                bytes.extend(&value[..usize::from(length)]);
            }
            None => bytes.extend(ABSENT.to_be_bytes()),
        }
    }
    Some(bytes)
}

const ABSENT: u16 = u16::MAX;

pub(super) fn to_encoding(bytes: Option<&[u8]>) -> Option<Encoding> {
    let Some(mut bytes) = bytes else { return Some(Encoding::default()) };
    let mut parts = [None; 4];
    for part in &mut parts {
        let (length, rest) = bytes.split_first_chunk()?;
        bytes = rest;
        let length = u16::from_be_bytes(*length);
        if length != ABSENT {
            let (value, rest) = bytes.split_at_checked(usize::from(length))?;
            *part = Some(value);
            bytes = rest;
        }
    }
    Encoding::from_parts(parts)
}

/// Reads an entry without its body.
pub(super) fn entry_row(row: &Row) -> Read<(InboxId, Position, EntryRow)> {
    let content = match optional_id(row, "subscription")? {
        Some(subscription) => Some(MessageRow {
            subscription,
            accepted: time(row, "accepted")?,
            expires: time(row, "expires")?,
            urgency: urgency(row)?,
            topic: topic(row)?,
            receipt: optional_id(row, "receipt")?,
            key: key(row)?,
            body_bytes: u64::from(get::<i32>(row, "body_bytes")?.unsigned_abs()),
        }),
        None => None,
    };
    Ok((id(row, "inbox")?, position(row, "position")?, EntryRow { message: id(row, "message")?, content }))
}

/// Reads a whole entry.
pub(super) fn entry(row: &Row) -> Read<Entry> {
    let (inbox, position, EntryRow { message, content }) = entry_row(row)?;
    let Some(content) = content else { return receipt(row, inbox, position, message).map(Entry::Receipt) };
    let draft = Draft {
        id: message,
        agent: inbox,
        subscription: content.subscription,
        accepted: content.accepted,
        expires: content.expires,
        urgency: content.urgency,
        topic: content.topic,
        encoding: to_encoding(get(row, "encoding")?).ok_or(Damaged)?,
        key: content.key,
        receipt: content.receipt,
        body: Bytes::copy_from_slice(get(row, "body")?),
    };
    Ok(Entry::Message(Arc::new(draft.into_message(position))))
}

/// Reads a receipt; its body is that of an entry, or a row of those on their way.
pub(super) fn receipt(row: &Row, inbox: InboxId, position: Position, message: MessageId) -> Read<Receipt> {
    let about = EntryRef {
        inbox: id(row, "about_inbox")?,
        position: self::position(row, "about_position")?,
        message,
    };
    let status = match get::<bool>(row, "acknowledged")? {
        true => ReceiptStatus::Acknowledged,
        false => ReceiptStatus::Failed,
    };
    Ok(Receipt { inbox, position, about, key: key(row)?, status })
}
