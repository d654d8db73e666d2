//! Frames: the changes of a commit group in the log, which are atomic.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | checksum of the rest, and of the salt of its segment |
//! | 8 | length of the rows |
//! | 8 | number of the frame |
//! | 8 | last assigned position |
//! | … | rows: table, length of the key, length of the value (all ones: the row is removed), key, value |

use super::fields::Fields;
use super::key::Key;
use super::memtable::Tables;
use super::rows::Table;
use std::io::{self, Read};
use webpush_core::id::Position;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const CHECKSUM_BYTES: usize = 8;
const HEAD_BYTES: usize = 32;
const REMOVED: u32 = u32::MAX;

/// A row of a frame; `None` as the value removes it.
pub(super) type FrameRow<'a> = (Table, Key, Option<&'a [u8]>);

/// An intact frame.
#[derive(Debug, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) position: Position,
    pub(super) rows: Vec<FrameRow<'a>>,
}

/// Writes a frame to the buffer, replacing its content.
pub(super) fn encode(buffer: &mut Vec<u8>, salt: u64, number: u64, position: Position, tables: &Tables) {
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
    let length = (buffer.len() - HEAD_BYTES) as u64;
    buffer[8..16].copy_from_slice(&length.to_le_bytes());
    buffer[16..24].copy_from_slice(&number.to_le_bytes());
    buffer[24..32].copy_from_slice(&position.get().to_le_bytes());
    let checksum = xxh3_64_with_seed(&buffer[CHECKSUM_BYTES..], salt);
    buffer[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the next frame of a segment to the buffer, replacing its content.
///
/// Returns `None` if it is incomplete. Then no other frame follows, whatever the remaining bytes look like.
pub(super) fn read<'a>(
    file: &mut impl Read,
    salt: u64,
    number: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<Frame<'a>>> {
    buffer.clear();
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(buffer)?;
    let Some(length) = buffer.get(8..16).and_then(|length| Fields(length).u64()) else { return Ok(None) };
    // A damaged length reads no more than the segment has.
    file.by_ref().take(length).read_to_end(buffer)?;
    Ok(decode(buffer, salt).filter(|frame| frame.number == number))
}

fn decode(frame: &[u8], salt: u64) -> Option<Frame<'_>> {
    let mut fields = Fields(frame);
    let (checksum, _) = (fields.u64()?, fields.u64()?);
    if xxh3_64_with_seed(&frame[CHECKSUM_BYTES..], salt) != checksum {
        return None;
    }
    let (number, position) = (fields.u64()?, Position::new(fields.u64()?));
    let mut rows = Vec::new();
    while !fields.0.is_empty() {
        rows.push(row(&mut fields)?);
    }
    Some(Frame { number, position, rows })
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
        encode(&mut buffer, SALT, number, Position::new(9), &tables);
        buffer
    }

    fn is_whole(mut bytes: &[u8], salt: u64, number: u64) -> bool {
        read(&mut bytes, salt, number, &mut Vec::new()).unwrap().is_some()
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let bytes = [frame(7), frame(8)].concat();
        let (mut rest, mut buffer) = (&bytes[..], Vec::new());
        for number in [7, 8] {
            let rows = vec![
                (Table::Entries, Key::from(*b"first"), Some(&b"a value"[..])),
                (Table::Entries, Key::from(*b"second"), None),
                (Table::Ranks, Key::from(*b"third"), Some(b"")),
            ];
            let frame = Frame { number, position: Position::new(9), rows };
            assert_eq!(read(&mut rest, SALT, number, &mut buffer).unwrap(), Some(frame));
        }
        assert_eq!(read(&mut rest, SALT, 9, &mut buffer).unwrap(), None);
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
