//! Converts between records of a store and lines.

use super::line::{
    AppLine, InboxLine, Line, MessageLine, OwnerName, ProtocolName, ReceiptLine, StatusName, SubscriptionLine,
};
use super::values::{Base64Bytes, FixedBytes, Latin1};
use bytes::Bytes;
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Message};
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::{ChromiumApp, Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::{InboxRecord, InboxUsage, Record};

impl From<&Record> for Line {
    fn from(record: &Record) -> Self {
        match record {
            Record::Position(position) => Self::Position(position.get()),
            Record::Inbox(record) => Self::Inbox(inbox_line(record)),
            Record::Subscription(subscription) => Self::Subscription(subscription_line(subscription)),
            Record::Entry(Entry::Message(message)) => Self::Message(message_line(message)),
            Record::Entry(Entry::Receipt(receipt)) => Self::Receipt(receipt_line(receipt)),
        }
    }
}

impl Line {
    /// Converts the line to a record; `None` for lines that are not records.
    ///
    /// # Errors
    /// Fails with the reason if no store can hold the record.
    pub fn record(self) -> Result<Option<Record>, &'static str> {
        let record = match self {
            Self::Position(position) => Record::Position(Position::new(position)),
            Self::Inbox(line) => Record::Inbox(inbox(&line)),
            Self::Subscription(line) => Record::Subscription(subscription(&line)?),
            Self::Message(line) => Record::Entry(Entry::Message(Arc::new(message(line)?))),
            Self::Receipt(line) => Record::Entry(Entry::Receipt(receipt(&line))),
            Self::Begin(_) | Self::Key { .. } | Self::Broadcast { .. } | Self::Check(_) | Self::End(_) => {
                return Ok(None);
            }
        };
        let position = match &record {
            Record::Position(position) => *position,
            Record::Entry(entry) => entry.position(),
            Record::Inbox(_) | Record::Subscription(_) => return Ok(Some(record)),
        };
        if position.get() > MAX_POSITION {
            return Err("the position is too high");
        }
        Ok(Some(record))
    }
}

/// Leaves room for the positions of new entries.
const MAX_POSITION: u64 = 1 << 62;

fn inbox_line(record: &InboxRecord) -> InboxLine {
    let Inbox { id, owner, created, key } = &record.inbox;
    InboxLine {
        id: FixedBytes(*id.as_bytes()),
        owner: match owner {
            Owner::Agent => OwnerName::Agent,
            Owner::Receipts => OwnerName::Receipts,
        },
        created: created.as_millis(),
        key: key.0,
        monitored: record.monitored.map(Timestamp::as_millis),
    }
}

fn inbox(line: &InboxLine) -> InboxRecord {
    let owner = match line.owner {
        OwnerName::Agent => Owner::Agent,
        OwnerName::Receipts => Owner::Receipts,
    };
    let created = Timestamp::from_millis(line.created);
    InboxRecord {
        inbox: Inbox { id: InboxId::from_bytes(line.id.0), owner, created, key: KeyId(line.key) },
        monitored: line.monitored.map(Timestamp::from_millis),
        holds: InboxUsage::default(),
    }
}

fn subscription_line(subscription: &Subscription) -> SubscriptionLine {
    let Subscription { agent, id, created, key, sender, protocol } = subscription;
    let (protocol, channel, app) = match protocol {
        Protocol::Rfc8030 => (ProtocolName::Rfc8030, None, None),
        Protocol::Autopush(channel) => (ProtocolName::Autopush, Some(FixedBytes(*channel.as_bytes())), None),
        Protocol::Legacy => (ProtocolName::Legacy, None, None),
        Protocol::Chromium(channel, app) => {
            let app = AppLine { category: app.category().to_owned(), subtype: app.subtype().to_owned() };
            (ProtocolName::Chromium, Some(FixedBytes(*channel.as_bytes())), Some(app))
        }
    };
    SubscriptionLine {
        agent: FixedBytes(*agent.as_bytes()),
        id: FixedBytes(*id.as_bytes()),
        created: created.as_millis(),
        key: key.0,
        sender: sender.map(|SenderKey(point)| Base64Bytes(point.to_vec())),
        protocol,
        channel,
        app,
    }
}

fn subscription(line: &SubscriptionLine) -> Result<Subscription, &'static str> {
    let protocol = match (line.protocol, line.channel, &line.app) {
        (ProtocolName::Rfc8030, None, None) => Protocol::Rfc8030,
        (ProtocolName::Legacy, None, None) => Protocol::Legacy,
        (ProtocolName::Autopush, Some(channel), None) => Protocol::Autopush(ChannelId::from_bytes(channel.0)),
        (ProtocolName::Chromium, Some(channel), Some(AppLine { category, subtype })) => {
            let app = ChromiumApp::new(category, subtype).ok_or("invalid app of a chromium subscription")?;
            Protocol::Chromium(ChannelId::from_bytes(channel.0), Arc::new(app))
        }
        (
            ProtocolName::Rfc8030 | ProtocolName::Legacy | ProtocolName::Autopush | ProtocolName::Chromium,
            _,
            _,
        ) => {
            return Err(
                "an autopush subscription has a channel, a chromium subscription has a channel and an app, and others \
                 have neither",
            );
        }
    };
    Ok(Subscription {
        agent: InboxId::from_bytes(line.agent.0),
        id: SubscriptionId::from_bytes(line.id.0),
        created: Timestamp::from_millis(line.created),
        key: KeyId(line.key),
        sender: line.sender.as_ref().map(sender_key).transpose()?,
        protocol,
    })
}

/// Reads an uncompressed point. Stores may rely on its first byte.
fn sender_key(Base64Bytes(bytes): &Base64Bytes) -> Result<SenderKey, &'static str> {
    match <[u8; 65]>::try_from(bytes.as_slice()) {
        Ok(point @ [4, ..]) => Ok(SenderKey(point)),
        Ok(_) | Err(_) => Err("sender is not 65 bytes of which the first is 4"),
    }
}

fn message_line(message: &Message) -> MessageLine {
    let topic = message.topic.as_ref();
    MessageLine {
        id: FixedBytes(*message.id.as_bytes()),
        agent: FixedBytes(*message.agent.as_bytes()),
        subscription: FixedBytes(*message.subscription.as_bytes()),
        position: message.position.get(),
        accepted: message.accepted.as_millis(),
        expires: message.expires.as_millis(),
        urgency: message.urgency.as_str().to_owned(),
        topic: topic.map(|topic| topic.as_bytes().iter().copied().map(char::from).collect()),
        headers: message.encoding.parts().map(|part| part.map(|part| Latin1(part.to_vec()))),
        key: message.key.0,
        receipt: message.receipt.map(|inbox| FixedBytes(*inbox.as_bytes())),
        body: Base64Bytes(message.body.to_vec()),
    }
}

fn message(line: MessageLine) -> Result<Message, &'static str> {
    let headers = line.headers.each_ref().map(|part| part.as_ref().map(|Latin1(bytes)| &bytes[..]));
    let topic = line.topic.map(|topic| Topic::parse(topic.as_bytes()).ok_or("invalid topic")).transpose()?;
    let draft = Draft {
        id: MessageId::from_bytes(line.id.0),
        agent: InboxId::from_bytes(line.agent.0),
        subscription: SubscriptionId::from_bytes(line.subscription.0),
        accepted: Timestamp::from_millis(line.accepted),
        expires: Timestamp::from_millis(line.expires),
        urgency: Urgency::parse(line.urgency.as_bytes()).ok_or("invalid urgency")?,
        topic,
        encoding: Encoding::from_parts(headers).ok_or("invalid header value")?,
        key: KeyId(line.key),
        receipt: line.receipt.map(|inbox| InboxId::from_bytes(inbox.0)),
        body: Bytes::from(line.body.0),
    };
    Ok(draft.into_message(Position::new(line.position)))
}

fn receipt_line(receipt: &Receipt) -> ReceiptLine {
    let Receipt { inbox, position, about, key, status } = receipt;
    ReceiptLine {
        inbox: FixedBytes(*inbox.as_bytes()),
        position: position.get(),
        message: FixedBytes(*about.message.as_bytes()),
        of: FixedBytes(*about.inbox.as_bytes()),
        at: about.position.get(),
        key: key.0,
        status: match status {
            ReceiptStatus::Acknowledged => StatusName::Acknowledged,
            ReceiptStatus::Failed => StatusName::Failed,
        },
    }
}

fn receipt(line: &ReceiptLine) -> Receipt {
    let about = EntryRef {
        inbox: InboxId::from_bytes(line.of.0),
        position: Position::new(line.at),
        message: MessageId::from_bytes(line.message.0),
    };
    Receipt {
        inbox: InboxId::from_bytes(line.inbox.0),
        position: Position::new(line.position),
        about,
        key: KeyId(line.key),
        status: match line.status {
            StatusName::Acknowledged => ReceiptStatus::Acknowledged,
            StatusName::Failed => ReceiptStatus::Failed,
        },
    }
}
