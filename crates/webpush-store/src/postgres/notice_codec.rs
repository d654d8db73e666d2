//! Notices as the payload of a notification: base64 of the ID of the sending node and of each notice.
//!
//! A notice is a byte that says its kind, and its fields with fixed lengths; fields of variable length begin with it.
//!
//! Kinds from [`SKIPPABLE`] on are for later programs: their fields are one field of variable length, so that programs which
//! do not know them skip them and hear the rest. After one below [`HARMLESS`] sessions read again, because it may be about
//! entries. Later kinds without which nothing is missed are from there on.

use super::values::{from_encoding, to_encoding};
use crate::Notice;
use bytes::Bytes;
use std::sync::Arc;
use webpush_core::base64url;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::message::{Draft, Message};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// Bytes of a payload before base64. PostgreSQL accepts less than 8,000 after it.
const PAYLOAD_BYTES: usize = 5_970;

const STORED: u8 = 0;
const REMOVED: u8 = 1;
const REMOVED_SUBSCRIPTION: u8 = 2;
const SUPERSEDED: u8 = 3;
const OFFERED: u8 = 4;
/// Kinds that can be skipped.
const SKIPPABLE: u8 = 5;
/// Kinds that can be skipped without reading again.
const HARMLESS: u8 = 128;
/// The message of the [`STORED`] before it, in one field of variable length.
const MESSAGE: u8 = 128;

/// Collects notices into a payload.
pub(super) struct Payload(Vec<u8>);

impl Payload {
    pub(super) fn new(node: [u8; 16]) -> Self {
        Self(node.to_vec())
    }

    /// Adds a notice; returns false if there is no room.
    pub(super) fn add(&mut self, notice: &Notice) -> bool {
        let length = self.0.len();
        self.write(notice);
        let fits = self.0.len() <= PAYLOAD_BYTES;
        if !fits {
            self.0.truncate(length);
        }
        fits
    }

    pub(super) fn encode(&self) -> String {
        base64url::encode(&self.0)
    }

    fn write(&mut self, notice: &Notice) {
        match notice {
            Notice::Stored(inbox) => self.fields(STORED, &[inbox.as_bytes()]),
            Notice::Removed(inbox, None) => self.fields(REMOVED, &[inbox.as_bytes()]),
            Notice::Removed(inbox, Some(id)) => {
                self.fields(REMOVED_SUBSCRIPTION, &[inbox.as_bytes(), id.as_bytes()]);
            }
            Notice::StoredMessage(message) => {
                self.fields(STORED, &[message.agent.as_bytes()]);
                let mut field = Self(Vec::new());
                field.write_message(message.position, &message.draft);
                self.0.push(MESSAGE);
                self.variable(&field.0);
            }
            Notice::Superseded(inbox, kind) => self.fields(SUPERSEDED, &[inbox.as_bytes(), &[*kind]]),
            Notice::Offered(entry) => {
                if let Some(draft) = entry.message() {
                    self.0.push(OFFERED);
                    self.write_message(entry.entry_ref().position, draft);
                }
            }
        }
    }

    fn write_message(&mut self, position: Position, draft: &Draft) {
        let position = position.get().to_be_bytes();
        let (accepted, expires) = (draft.accepted.as_millis(), draft.expires.as_millis());
        let urgency = Urgency::ALL.iter().zip(0..).find(|(level, _)| **level == draft.urgency);
        for field in
            [&position[..], draft.id.as_bytes(), draft.agent.as_bytes(), draft.subscription.as_bytes()]
        {
            self.0.extend(field);
        }
        self.0.extend(accepted.to_be_bytes());
        self.0.extend(expires.to_be_bytes());
        self.0.extend([urgency.map_or(2, |(_, number)| number), draft.key.0]);
        self.variable(draft.topic.as_ref().map_or(&[], Topic::as_bytes));
        self.variable(&from_encoding(&draft.encoding).unwrap_or_default());
        self.variable(draft.receipt.as_ref().map_or(&[], |receipt| &receipt.as_bytes()[..]));
        self.variable(&draft.body);
    }

    fn fields(&mut self, kind: u8, fields: &[&[u8]]) {
        self.0.push(kind);
        fields.iter().for_each(|field| self.0.extend(*field));
    }

    fn variable(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
    }
}

/// The contents of a payload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// The node that sent it.
    pub(super) node: [u8; 16],
    pub(super) notices: Vec<Notice>,
    /// True if a notice was skipped without which sessions may miss something.
    pub(super) has_gap: bool,
}

/// Reads a payload.
///
/// `None` if it is not a payload of this format.
pub(super) fn decode(payload: &str) -> Option<Received> {
    let bytes = base64url::decode(payload)?;
    let mut reader = Reader(&bytes);
    let mut received = Received { node: reader.array()?, ..Received::default() };
    while !reader.0.is_empty() {
        match reader.notice()? {
            Part::Notice(notice) => received.notices.push(notice),
            Part::Message(message) => {
                // It belongs to the notice before it, for programs that do not know it.
                received.notices.pop_if(|notice| *notice == Notice::Stored(message.agent));
                received.notices.push(Notice::StoredMessage(message));
            }
            Part::Unknown(kind) => received.has_gap |= kind < HARMLESS,
        }
    }
    Some(received)
}

/// A notice, or one of a kind that this program does not know.
enum Part {
    Notice(Notice),
    Message(Arc<Message>),
    Unknown(u8),
}

struct Reader<'p>(&'p [u8]);

impl<'p> Reader<'p> {
    fn notice(&mut self) -> Option<Part> {
        let [kind] = self.array()?;
        Some(Part::Notice(match kind {
            STORED => Notice::Stored(self.inbox()?),
            REMOVED => Notice::Removed(self.inbox()?, None),
            REMOVED_SUBSCRIPTION => {
                Notice::Removed(self.inbox()?, Some(SubscriptionId::from_bytes(self.array()?)))
            }
            SUPERSEDED => Notice::Superseded(self.inbox()?, self.array::<1>()?[0]),
            OFFERED => Notice::Offered(match self.message()? {
                (Position::START, draft) => OutboundEntry::Unstored(Arc::new(draft)),
                (position, draft) => Entry::Message(Arc::new(draft.into_message(position))).into(),
            }),
            MESSAGE => {
                let mut field = Reader(self.variable()?);
                let (position, draft) = field.message()?;
                return Some(Part::Message(Arc::new(draft.into_message(position))));
            }
            SKIPPABLE.. => {
                self.variable()?;
                return Some(Part::Unknown(kind));
            }
        }))
    }

    fn message(&mut self) -> Option<(Position, Draft)> {
        let position = Position::new(u64::from_be_bytes(self.array()?));
        let id = MessageId::from_bytes(self.array()?);
        let agent = self.inbox()?;
        let subscription = SubscriptionId::from_bytes(self.array()?);
        let accepted = self.time()?;
        let expires = self.time()?;
        let [urgency, key] = self.array()?;
        let urgency = *Urgency::ALL.get(usize::from(urgency))?;
        let topic = match self.variable()? {
            [] => None,
            topic => Some(Topic::parse(topic)?),
        };
        let encoding = match self.variable()? {
            [] => Encoding::default(),
            encoding => to_encoding(Some(encoding))?,
        };
        let receipt = match self.variable()? {
            [] => None,
            receipt => Some(InboxId::from_bytes(receipt.try_into().ok()?)),
        };
        let body = Bytes::copy_from_slice(self.variable()?);
        let key = KeyId(key);
        let draft = Draft {
            id,
            agent,
            subscription,
            accepted,
            expires,
            urgency,
            topic,
            encoding,
            key,
            receipt,
            body,
        };
        Some((position, draft))
    }

    fn inbox(&mut self) -> Option<InboxId> {
        self.array().map(InboxId::from_bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.array().map(|bytes| Timestamp::from_millis(u64::from_be_bytes(bytes)))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn variable(&mut self) -> Option<&'p [u8]> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOX: InboxId = InboxId::from_bytes([1; 16]);
    const ID: SubscriptionId = SubscriptionId::from_bytes([2; 16]);

    fn draft(body: usize) -> Draft {
        Draft {
            id: MessageId::from_bytes([3; 16]),
            agent: INBOX,
            subscription: ID,
            accepted: Timestamp::from_millis(5),
            expires: Timestamp::from_millis(5),
            urgency: Urgency::High,
            topic: Topic::parse(b"news"),
            encoding: Encoding::from_parts([Some(b"aesgcm"), None, Some(b"salt=x"), None])
                .expect("these are header values"),
            key: KeyId(9),
            receipt: Some(InboxId::from_bytes([4; 16])),
            body: vec![7; body].into(),
        }
    }

    #[test]
    fn notices_are_read_as_they_were_written() {
        let plain = Draft { topic: None, receipt: None, encoding: Encoding::default(), ..draft(0) };
        let notices = [
            Notice::Stored(INBOX),
            Notice::Removed(INBOX, None),
            Notice::Removed(INBOX, Some(ID)),
            Notice::Superseded(INBOX, 3),
            Notice::Offered(OutboundEntry::Unstored(Arc::new(plain))),
            Notice::Offered(Entry::Message(Arc::new(draft(4000).into_message(Position::new(8)))).into()),
            Notice::Stored(INBOX),
            Notice::StoredMessage(Arc::new(draft(300).into_message(Position::new(9)))),
            Notice::StoredMessage(Arc::new(draft(0).into_message(Position::new(10)))),
        ];
        let mut payload = Payload::new([5; 16]);
        assert!(notices.iter().all(|notice| payload.add(notice)));
        let text = payload.encode();
        assert_eq!(decode(&text), Some(received(&notices, false)));
        for length in 0..text.len() {
            // Never a panic; a cut between two notices is a shorter payload.
            assert_ne!(decode(&text[..length]), Some(received(&notices, false)));
        }
    }

    fn received(notices: &[Notice], has_gap: bool) -> Received {
        Received { node: [5; 16], notices: notices.to_vec(), has_gap }
    }

    #[test]
    fn notices_of_later_kinds_are_skipped() {
        let known = [Notice::Stored(INBOX), Notice::Removed(INBOX, Some(ID))];
        for (kind, has_gap) in
            [(SKIPPABLE, true), (HARMLESS - 1, true), (MESSAGE + 1, false), (u8::MAX, false)]
        {
            let mut payload = Payload::new([5; 16]);
            assert!(payload.add(&known[0]));
            payload.0.push(kind);
            payload.variable(&[7; 300]);
            assert!(payload.add(&known[1]));
            assert_eq!(decode(&payload.encode()), Some(received(&known, has_gap)), "{kind}");
            // The length is wrong.
            payload.0.push(kind);
            payload.0.extend([0, 0, 1, 0]);
            assert_eq!(decode(&payload.encode()), None);
        }
    }

    #[test]
    fn programs_that_skip_the_message_hear_that_one_was_stored() {
        let mut payload = Payload::new([5; 16]);
        assert!(payload.add(&Notice::StoredMessage(Arc::new(draft(9).into_message(Position::new(9))))));
        let at = 16 + 17;
        assert_eq!(payload.0[at], MESSAGE);
        payload.0[at] = u8::MAX;
        assert_eq!(decode(&payload.encode()), Some(received(&[Notice::Stored(INBOX)], false)));
    }

    #[test]
    fn a_payload_has_less_than_8000_bytes() {
        let mut payload = Payload::new([5; 16]);
        let mut count = 0;
        while payload.add(&Notice::Stored(INBOX)) {
            count += 1;
        }
        assert_eq!((count, payload.encode().len() < 8000), (350, true));
        let large = Notice::Offered(OutboundEntry::Unstored(Arc::new(draft(PAYLOAD_BYTES))));
        assert!(!Payload::new([5; 16]).add(&large));
    }
}
