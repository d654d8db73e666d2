//! Fuzz targets of segments of the log and of rows.

#![allow(clippy::expect_used, reason = "a panic is how a target reports a failure")]

pub use super::salvage::fuzzing::{journal, table_block};

use super::entry_row::{
    EntryHead, message_value, read_entry, read_entry_head, read_entry_id, read_entry_urgency, receipt_value,
    salvage_entry_head,
};
use super::fields::{Fields, RowWriter};
use super::frame::{self, Frame};
use super::key::Key;
use super::memtable::Tables;
use super::rows::{
    Table, entry_key, inbox_value, read_inbox, read_subscription, subscription_key, subscription_value,
};
use super::segment::{self, ExpectedFrames, SALT_BYTES, SegmentFrames};
use super::usage_row::UsageRow;
use super::value::Value;
use webpush_core::id::{InboxId, Position, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::urgency::Urgency;

const SALT: u64 = 0x0123_4567_89ab_cdef;
/// Frames of a segment.
const FRAMES: u64 = 12;
const INBOX: InboxId = InboxId::from_bytes([7; 16]);

/// Reads any bytes as a segment, and then a segment that was written and damaged.
pub fn log_segment(input: &[u8]) {
    let expected = ExpectedFrames { first: 1, synced: 0 };
    assert_ascending(&segment::read(input, expected), expected);
    let mut fields = Fields(input);
    let written = Segment::write(&mut fields);
    let (content, damage) = written.damaged(&mut fields);
    let synced = written.first + u64::from(fields.u8().unwrap_or_default() % 14);
    let expected = ExpectedFrames { first: written.first, synced };
    let read = segment::read(&content, expected);
    assert_ascending(&read, expected);
    for frame in &read.frames {
        let original = written.frame(frame.number).expect("a frame that was not written is read");
        assert!(original == *frame, "frame {} is not what was written", frame.number);
    }
    let numbers: Vec<u64> = read.frames.iter().map(|frame| frame.number).collect();
    // Nothing before the damage is lost, and nothing behind it that was synced.
    let is_salt_whole = damage.start >= SALT_BYTES;
    let last_synced = if damage.is_empty() { u64::MAX } else { synced };
    for (number, range) in (written.first..).zip(&written.ranges) {
        let is_before = range.end <= damage.start;
        let is_behind = range.start >= damage.end && range.end <= content.len() && number <= last_synced;
        if is_salt_whole && (is_before || is_behind) {
            assert!(numbers.contains(&number), "frame {number} is whole, and {numbers:?} are read");
        }
    }
    assert!(!damage.is_empty() || !read.is_damaged, "whole frames are called damaged");
}

/// Numbers ascend from the first one, and a gap needs a proof that what is missing was synced.
fn assert_ascending(read: &SegmentFrames<'_>, expected: ExpectedFrames) {
    let mut next = expected.first;
    for (index, frame) in read.frames.iter().enumerate() {
        assert!(frame.number >= next, "frame {} follows {next}", frame.number);
        let is_proved = read.frames[index..].iter().any(|frame| frame.follows_sync);
        assert!(frame.number == next || next <= expected.synced || is_proved, "a gap without proof");
        assert!(frame.number == next || read.is_damaged, "a gap is not reported");
        next = frame.number + 1;
    }
}

/// A segment, and where its frames are.
struct Segment {
    first: u64,
    content: Vec<u8>,
    ranges: Vec<std::ops::Range<usize>>,
}

impl Segment {
    fn write(fields: &mut Fields<'_>) -> Self {
        let first = u64::from(fields.u8().unwrap_or_default()) + 1;
        let count = u64::from(fields.u8().unwrap_or_default()) % (FRAMES + 1);
        let (mut content, mut ranges) = (SALT.to_le_bytes().to_vec(), Vec::new());
        for number in first..first + count {
            let kind = fields.u8().unwrap_or_default();
            let mut tables = Tables::default();
            for row in 0..kind >> 4 {
                let (table, length) = (fields.u8().unwrap_or_default(), fields.u8().unwrap_or_default());
                let key = Key::from(&[row, table, length][..]);
                // No zeros, which the numbers of frames have: a value must not look like many frames.
                let value = (length & 1 == 0).then(|| Value::from(vec![table | 0x80; usize::from(length)]));
                tables[usize::from(table) % Table::ALL.len()].insert(key, value);
            }
            let mut buffer = Vec::new();
            frame::encode(&mut buffer, SALT, (number, Position::new(number * 3)), kind & 1 == 1, &tables);
            ranges.push(content.len()..content.len() + buffer.len());
            content.extend_from_slice(&buffer);
        }
        Self { first, content, ranges }
    }

    /// Returns the content with some changes, and the range that contains all of them.
    fn damaged(&self, fields: &mut Fields<'_>) -> (Vec<u8>, std::ops::Range<usize>) {
        let (mut content, mut first, mut last) = (self.content.clone(), usize::MAX, 0);
        for _ in 0..fields.u8().unwrap_or_default() % 4 {
            let (Some(kind), Some(at)) = (fields.u8(), fields.u16()) else { break };
            let at = usize::from(at) % (content.len() + 1);
            let length = usize::from(kind >> 2).min(content.len() - at);
            let (start, end) = match kind & 3 {
                0 => {
                    content[at..at + length].fill(0);
                    (at, usize::MAX)
                }
                1 => {
                    content[at..at + length].iter_mut().for_each(|byte| *byte ^= 1 << (kind >> 5));
                    (at, at + length)
                }
                2 => {
                    content.truncate(at);
                    (at, usize::MAX)
                }
                // Bytes of an older segment in a recycled file.
                _ => {
                    content.extend_from_slice(&self.content[self.content.len().saturating_sub(length)..]);
                    (self.content.len(), usize::MAX)
                }
            };
            (first, last) = (first.min(start), last.max(end));
        }
        let end = self.content.len();
        if content == self.content { (content, end..end) } else { (content, first..last) }
    }

    fn frame(&self, number: u64) -> Option<Frame<'_>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let bytes = self.content.get(self.ranges.get(index)?.clone())?;
        frame::decode(bytes, frame::head(bytes)?, SALT)
    }
}

/// Reads rows with a right checksum and any fields, and writes them again.
pub fn row(input: &[u8]) {
    let mut fields = Fields(input);
    let (position, id) = (fields.u64().unwrap_or(1), fields.array().unwrap_or([1; 16]));
    let (position, id) = (Position::new(position), SubscriptionId::from_bytes(id));
    let sealed = |key: &[u8]| {
        let mut row = RowWriter::new(fields.0.len());
        row.bytes(fields.0);
        row.seal(key)
    };
    assert_entry(position, &sealed(&entry_key(INBOX, position)));
    let value = sealed(&subscription_key(INBOX, id));
    if let Some(subscription) = read_subscription(INBOX, id, &value) {
        let again = read_subscription(INBOX, id, &subscription_value(&subscription));
        assert_eq!(again, Some(subscription));
    }
    let value = sealed(INBOX.as_bytes());
    if let Some(inbox) = read_inbox(INBOX, &value) {
        assert_eq!(read_inbox(INBOX, &inbox_value(&inbox)), Some(inbox));
    }
    if let Some(usage) = UsageRow::read(INBOX, &value) {
        assert_eq!(UsageRow::read(INBOX, &usage.value(INBOX)), Some(usage));
    }
    assert_eq!(read_entry(INBOX, position, &value), None, "a row is read under another key");
}

fn assert_entry(position: Position, value: &Value) {
    let head = read_entry_head(INBOX, position, value);
    assert_eq!(head.is_some(), salvage_entry_head(INBOX, position, value).is_some());
    let Some(entry) = read_entry(INBOX, position, value) else { return };
    let (id, urgency) = (read_entry_id(value), read_entry_urgency(value));
    assert_eq!(id, Some(entry.entry_ref().message));
    let written = match (&entry, head) {
        (Entry::Message(message), Some(EntryHead::Message(head))) => {
            assert_eq!(
                (head.id, head.subscription, head.urgency),
                (message.id, message.subscription, message.urgency)
            );
            assert_eq!(
                (head.accepted, head.expires, head.key),
                (message.accepted, message.expires, message.key)
            );
            assert_eq!((head.topic, head.receipt), (message.topic, message.receipt));
            assert_eq!((head.body_bytes, urgency), (message.body.len() as u64, Some(message.urgency)));
            message_value(message)
        }
        (Entry::Receipt(receipt), Some(EntryHead::Receipt(head))) => {
            assert_eq!((head, urgency), (*receipt, Some(Urgency::VeryLow)));
            receipt_value(receipt)
        }
        _ => unreachable!("the head of an entry is of another kind"),
    };
    assert_eq!(read_entry(INBOX, position, &written), Some(entry));
    let mut changed = written.to_vec();
    let at = changed.len() / 2;
    changed[at] ^= 1;
    assert_eq!(read_entry(INBOX, position, &changed), None, "a wrong bit is not noticed");
}
