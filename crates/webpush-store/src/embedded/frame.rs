//! Frames: how the changes of a group are written to the log, whole or not at all.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | checksum of all that follows |
//! | 8 | length of the rows |
//! | 8 | number of the frame |
//! | 8 | the last position that was assigned |
//! | … | rows: table, length of the key, length of the value (all ones: the row is removed), key, value |

use super::fields::Fields;
use super::generation::Tables;
use super::rows::Table;
use webpush_core::id::Position;
use xxhash_rust::xxh3::xxh3_64;

const CHECKSUM_BYTES: usize = 8;
const HEAD_BYTES: usize = 32;
const REMOVED: u32 = u32::MAX;

/// A row as a frame has it; without a value it is removed.
pub(super) type FrameRow<'a> = (Table, &'a [u8], Option<&'a [u8]>);

/// A frame that is what was written.
#[derive(Debug, PartialEq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) position: Position,
    pub(super) rows: Vec<FrameRow<'a>>,
}

/// Writes a frame over what the buffer holds.
pub(super) fn encode(buffer: &mut Vec<u8>, number: u64, position: Position, tables: &Tables) {
    buffer.clear();
    buffer.resize(HEAD_BYTES, 0);
    for table in Table::ALL {
        for (key, value) in &tables[table as usize] {
            // Keys have less than 100 bytes, and values less than a request.
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
    let checksum = xxh3_64(&buffer[CHECKSUM_BYTES..]);
    buffer[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// Takes the first frame off what is left of a segment; nothing when it is not whole.
pub(super) fn decode<'a>(rest: &mut &'a [u8]) -> Option<Frame<'a>> {
    let mut head = Fields(rest);
    let (checksum, length) = (head.u64()?, head.u64()?);
    let (number, position) = (head.u64()?, Position::new(head.u64()?));
    let length = usize::try_from(length).ok().filter(|length| *length <= head.0.len())?;
    let (frame, after) = rest.split_at(HEAD_BYTES + length);
    if xxh3_64(&frame[CHECKSUM_BYTES..]) != checksum {
        return None;
    }
    let mut fields = Fields(&frame[HEAD_BYTES..]);
    let mut rows = Vec::new();
    while !fields.0.is_empty() {
        rows.push(row(&mut fields)?);
    }
    *rest = after;
    Some(Frame { number, position, rows })
}

fn row<'a>(fields: &mut Fields<'a>) -> Option<FrameRow<'a>> {
    let table = *Table::ALL.get(usize::from(fields.u8()?))?;
    let key_bytes = fields.u8()?;
    let value_bytes = fields.u32()?;
    let key = fields.bytes(key_bytes.into())?;
    let value = match value_bytes {
        REMOVED => None,
        length => Some(fields.bytes(usize::try_from(length).ok()?)?),
    };
    Some((table, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fjall::Slice;

    fn frame(number: u64) -> Vec<u8> {
        let mut tables = Tables::default();
        tables[Table::Entries as usize].insert(Slice::from(*b"first"), Some(Slice::from(*b"a value")));
        tables[Table::Entries as usize].insert(Slice::from(*b"second"), None);
        tables[Table::Ranks as usize].insert(Slice::from(*b"third"), Some(Slice::from([])));
        let mut buffer = vec![1; 3];
        encode(&mut buffer, number, Position::new(9), &tables);
        buffer
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let bytes = [frame(7), frame(8)].concat();
        let mut rest = &bytes[..];
        for number in [7, 8] {
            let rows = vec![
                (Table::Entries, &b"first"[..], Some(&b"a value"[..])),
                (Table::Entries, b"second", None),
                (Table::Ranks, b"third", Some(b"")),
            ];
            assert_eq!(decode(&mut rest), Some(Frame { number, position: Position::new(9), rows }));
        }
        assert_eq!((decode(&mut rest), rest), (None, &b""[..]));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = frame(7);
        for index in 0..whole.len() {
            assert_eq!(decode(&mut &whole[..index]), None);
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[index] ^= 1 << bit;
                assert_eq!(decode(&mut &damaged[..]), None, "bit {bit} of byte {index}");
            }
        }
    }
}
