//! The container of fjall's tables and versions: sections, and a checked list of them at the end.

use crate::embedded::fields::Fields;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

const TRAILER_BYTES: u64 = 38;
/// The trailer begins with this, its version and the kind of its checksum.
const TRAILER_START: &[u8] = b"SFA!\x01\x00";
const LIST_MAGIC: &[u8] = b"TOC!";
/// Far more than a list needs.
const LIST_BYTES: u64 = 64 * 1024;

/// The sections of a file.
#[derive(Debug, Default)]
pub(super) struct Sections(Vec<(Vec<u8>, Range<u64>)>);

impl Sections {
    /// Returns the range of bytes at the end of a file that has the list.
    pub(super) const fn tail(file_bytes: u64) -> Range<u64> {
        file_bytes.saturating_sub(LIST_BYTES)..file_bytes
    }

    /// Reads the list from the tail of a file; `None` if it is damaged.
    pub(super) fn read(tail: &[u8], file_bytes: u64) -> Option<Self> {
        let begin = file_bytes.checked_sub(tail.len() as u64)?;
        let trailer = tail.len().checked_sub(usize::try_from(TRAILER_BYTES).ok()?)?;
        let mut fields = Fields(&tail[trailer..]);
        if fields.bytes(TRAILER_START.len())? != TRAILER_START {
            return None;
        }
        let sum = u128::from_le_bytes(fields.array()?);
        let offset = usize::try_from(fields.u64()?.checked_sub(begin)?).ok()?;
        let list = tail.get(offset..trailer)?;
        if xxh3_128(list) != sum {
            return None;
        }
        let mut fields = Fields(list.strip_prefix(LIST_MAGIC)?);
        let count = fields.u32()?;
        let mut section = || {
            let (offset, length, name) = (fields.u64()?, fields.u64()?, usize::from(fields.u16()?));
            Some((fields.bytes(name)?.to_vec(), offset..offset.checked_add(length)?))
        };
        (0..count).map(|_| section()).collect::<Option<_>>().map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<Range<u64>> {
        self.0.iter().find(|(of, _)| of == name.as_bytes()).map(|(_, range)| range.clone())
    }
}
