//! Blocks of a table of fjall: their checksums, and the rows and handles in them.
//!
//! | bytes | header of a block, all numbers little-endian |
//! |---|---|
//! | 4 | `LSM` and 3 |
//! | 1 | kind |
//! | 16 | XXH3 of the content |
//! | 4 | length of the content |
//! | 4 | its length before compression, which this store does not use |
//! | 4 | the lower half of the XXH3 of all this |

use super::varint::varint;
use crate::embedded::fields::Fields;
use crate::embedded::key::Key;
use crate::embedded::value::Value;
use xxhash_rust::xxh3::xxh3_128;

const MAGIC: &[u8] = b"LSM\x03";
pub(super) const HEADER_BYTES: usize = 33;
/// The end of a block, after its items, a marker and an index for searches.
const TRAILER_BYTES: usize = 31;
const END_OF_ITEMS: u8 = 255;

/// The kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data = 0,
    Index = 1,
    Filter = 2,
    Meta = 3,
}

/// A version of a row; `None` as the value says that it was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct RowVersion {
    pub(in crate::embedded) key: Key,
    pub(in crate::embedded) sequence: u64,
    pub(in crate::embedded) value: Option<Value>,
}

/// The place of a block in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) offset: u64,
    /// With the header.
    pub(super) bytes: usize,
    /// The last key in the block, if it is known.
    pub(super) last_key: Option<Key>,
}

/// Returns the content of an intact block of this kind at the start of bytes.
pub(super) fn content(bytes: &[u8], kind: Kind) -> Option<&[u8]> {
    let length = content_bytes(bytes, kind)?;
    let content = bytes.get(HEADER_BYTES..HEADER_BYTES + length)?;
    let sum = u128::from_le_bytes(bytes[5..21].try_into().ok()?);
    (xxh3_128(content) == sum).then_some(content)
}

/// Returns the length of the content from an intact header.
pub(super) fn content_bytes(bytes: &[u8], kind: Kind) -> Option<usize> {
    let header = bytes.get(..HEADER_BYTES)?;
    let mut sum = Fields(&header[HEADER_BYTES - 4..]);
    #[allow(clippy::cast_possible_truncation, reason = "the header has the lower half of the checksum")]
    let is_whole = sum.u32()? == xxh3_128(&header[..HEADER_BYTES - 4]) as u32;
    let is_of_kind = header.starts_with(MAGIC) && header[4] == kind as u8;
    let length = Fields(&header[21..]).u32().filter(|_| is_whole && is_of_kind)?;
    usize::try_from(length).ok()
}

/// Reads the rows of a data block; `None` if the content makes no sense.
pub(super) fn rows(content: &[u8]) -> Option<Vec<RowVersion>> {
    let trailer = content.get(content.len().checked_sub(TRAILER_BYTES)?..)?;
    let (restart_interval, mut fields) = (usize::from(trailer[0]), Fields(content));
    let mut rows: Vec<RowVersion> = Vec::new();
    let mut base = Key::default();
    loop {
        let kind = fields.u8()?;
        if kind == END_OF_ITEMS {
            break;
        }
        let sequence = varint(&mut fields)?;
        let is_base = rows.len().is_multiple_of(restart_interval.max(1));
        let shared = if is_base { 0 } else { length(&mut fields)? };
        let rest = length(&mut fields)?;
        let rest = fields.bytes(rest)?;
        let key = Key::read(&[base.get(..shared)?, rest].concat())?;
        if is_base {
            base = key;
        }
        let value = match kind {
            0 => {
                let value = length(&mut fields)?;
                Some(Value::from(fields.bytes(value)?))
            }
            1 | 2 => None,
            _ => return None,
        };
        rows.push(RowVersion { key, sequence, value });
    }
    Some(rows)
}

/// Reads the handles of an index block.
pub(super) fn handles(content: &[u8]) -> Option<Vec<Handle>> {
    let (mut fields, mut handles) = (Fields(content), Vec::new());
    while fields.u8()? != END_OF_ITEMS {
        let (offset, bytes) = (varint(&mut fields)?, length(&mut fields)?);
        varint(&mut fields)?;
        let key = length(&mut fields)?;
        handles.push(Handle { offset, bytes, last_key: Key::read(fields.bytes(key)?) });
    }
    Some(handles)
}

fn length(fields: &mut Fields<'_>) -> Option<usize> {
    varint(fields).and_then(|length| usize::try_from(length).ok())
}
