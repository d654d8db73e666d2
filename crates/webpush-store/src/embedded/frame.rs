//! Frames: the changes of a commit group in the log, which are atomic.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | checksum of the rest, and of the salt of its segment |
//! | 8 | length of the rows; the highest bit is set if all earlier frames were synced when this one was written |
//! | 8 | number of the frame |
//! | 8 | last assigned position |
//! | … | rows: table, length of the key, length of the value (all ones: the row is removed), key, value |

use super::fields::Fields;
use super::key::Key;
use super::memtable::Tables;
use super::rows::Table;
use webpush_core::id::Position;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const CHECKSUM_BYTES: usize = 8;
pub(super) const HEAD_BYTES: usize = 32;
const REMOVED: u32 = u32::MAX;
/// Set in the length of the rows. Programs of format 3 and earlier wrote frames without it.
const FOLLOWS_SYNC: u64 = 1 << 63;

/// A row of a frame; `None` as the value removes it.
pub(super) type FrameRow<'a> = (Table, Key, Option<&'a [u8]>);

/// An intact frame.
#[derive(Debug, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) position: Position,
    /// True if all earlier frames were synced when this one was written.
    pub(super) follows_sync: bool,
    pub(super) rows: Vec<FrameRow<'a>>,
}

/// The part of a frame from which its length follows, not verified.
#[derive(Clone, Copy)]
pub(super) struct FrameHead {
    pub(super) number: u64,
    /// Of the whole frame.
    pub(super) bytes: usize,
    position: Position,
    follows_sync: bool,
}

/// Writes a frame to the buffer, replacing its content.
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    salt: u64,
    (number, position): (u64, Position),
    follows_sync: bool,
    tables: &Tables,
) {
    buffer.clear();
    buffer.resize(HEAD_BYTES, 0);
    for table in Table::ALL {
        for (key, value) in &tables[table as usize] {
            // The values are little more than the bodies of the requests.
            let length =
                value.as_ref().map_or(REMOVED, |value| u32::try_from(value.len()).unwrap_or(REMOVED));
            buffer.extend_from_slice(&[table as u8, u8::try_from(key.len()).unwrap_or(u8::MAX)]);
            buffer.extend_from_slice(&length.to_le_bytes());
            buffer.extend_from_slice(key);
            buffer.extend_from_slice(value.as_deref().unwrap_or_default());
        }
    }
    let length = (buffer.len() - HEAD_BYTES) as u64 | if follows_sync { FOLLOWS_SYNC } else { 0 };
    buffer[8..16].copy_from_slice(&length.to_le_bytes());
    buffer[16..24].copy_from_slice(&number.to_le_bytes());
    buffer[24..32].copy_from_slice(&position.get().to_le_bytes());
    let checksum = xxh3_64_with_seed(&buffer[CHECKSUM_BYTES..], salt);
    buffer[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the head of a frame at the start of bytes; `None` if they are shorter than the frame.
pub(super) fn head(bytes: &[u8]) -> Option<FrameHead> {
    let mut fields = Fields(bytes.get(CHECKSUM_BYTES..)?);
    let (length, number, position) = (fields.u64()?, fields.u64()?, Position::new(fields.u64()?));
    let rows = usize::try_from(length & !FOLLOWS_SYNC).ok()?;
    let follows_sync = length & FOLLOWS_SYNC != 0;
    (rows <= fields.0.len()).then_some(FrameHead { number, bytes: HEAD_BYTES + rows, position, follows_sync })
}

/// Reads a frame whose head is known from the start of bytes; `None` if it is incomplete or damaged.
pub(super) fn decode<'a>(bytes: &'a [u8], head: FrameHead, salt: u64) -> Option<Frame<'a>> {
    let frame = bytes.get(..head.bytes)?;
    let mut fields = Fields(frame);
    if xxh3_64_with_seed(&frame[CHECKSUM_BYTES..], salt) != fields.u64()? {
        return None;
    }
    fields.bytes(HEAD_BYTES - CHECKSUM_BYTES)?;
    let mut rows = Vec::new();
    while !fields.0.is_empty() {
        rows.push(row(&mut fields)?);
    }
    let FrameHead { number, position, follows_sync, .. } = head;
    Some(Frame { number, position, follows_sync, rows })
}

/// Takes the frame with this number from the start of bytes, if it is there and intact.
pub(super) fn take<'a>(bytes: &mut &'a [u8], salt: u64, number: u64) -> Option<Frame<'a>> {
    let head = head(bytes).filter(|head| head.number == number)?;
    let frame = decode(bytes, head, salt)?;
    *bytes = &bytes[head.bytes..];
    Some(frame)
}

fn row<'a>(fields: &mut Fields<'a>) -> Option<FrameRow<'a>> {
    let table = *Table::ALL.get(usize::from(fields.u8()?))?;
    let key_bytes = fields.u8()?;
    let value_bytes = fields.u32()?;
    let key = Key::read(fields.bytes(key_bytes.into())?)?;
    let value = match value_bytes {
        REMOVED => None,
        length => Some(fields.bytes(usize::try_from(length).ok()?)?),
    };
    Some((table, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::value::Value;

    const SALT: u64 = 6;

    fn frame(number: u64) -> Vec<u8> {
        let mut tables = Tables::default();
        tables[Table::Entries as usize].insert(Key::from(*b"first"), Some(Value::from(*b"a value")));
        tables[Table::Entries as usize].insert(Key::from(*b"second"), None);
        tables[Table::Ranks as usize].insert(Key::from(*b"third"), Some(Value::from([])));
        let mut buffer = vec![1; 3];
        encode(&mut buffer, SALT, (number, Position::new(9)), number == 8, &tables);
        buffer
    }

    fn is_whole(mut bytes: &[u8], salt: u64, number: u64) -> bool {
        take(&mut bytes, salt, number).is_some()
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let bytes = [frame(7), frame(8)].concat();
        let mut rest = &bytes[..];
        for number in [7, 8] {
            let rows = vec![
                (Table::Entries, Key::from(*b"first"), Some(&b"a value"[..])),
                (Table::Entries, Key::from(*b"second"), None),
                (Table::Ranks, Key::from(*b"third"), Some(b"")),
            ];
            let frame = Frame { number, position: Position::new(9), follows_sync: number == 8, rows };
            assert_eq!(take(&mut rest, SALT, number), Some(frame));
        }
        assert_eq!(take(&mut rest, SALT, 9), None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = frame(7);
        assert!(is_whole(&whole, SALT, 7));
        assert!(!is_whole(&whole, SALT, 8) && !is_whole(&whole, SALT + 1, 7), "it is of another place");
        for index in 0..whole.len() {
            assert!(!is_whole(&whole[..index], SALT, 7));
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[index] ^= 1 << bit;
                assert!(!is_whole(&damaged, SALT, 7), "bit {bit} of byte {index}");
            }
        }
    }
}
