//! A journal of fjall, read past damage.
//!
//! | entry | bytes |
//! |---|---|
//! | start of a batch | 1; number of items (4), sequence number (8) |
//! | item | 2; kind, compression, keyspace (8), length of the key (2), of the value (4) and of its compressed form (4), key, value |
//! | end | 3; XXH3 of the items (8), [`MAGIC`] |
//!
//! Behind damage, reading resumes at the next place from which on all is whole. Nothing less would do: the body of a message
//! can look like a batch, but it is followed by the rest of the batch that it is in.

use crate::embedded::fields::Fields;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: &[u8] = b"FJL\x03";

/// An item of a batch; `None` as the value removes a row.
pub(in crate::embedded) struct Item<'a> {
    pub(in crate::embedded) keyspace: u64,
    pub(in crate::embedded) sequence: u64,
    pub(in crate::embedded) key: &'a [u8],
    pub(in crate::embedded) value: Option<&'a [u8]>,
}

/// The batches of a journal.
pub(in crate::embedded) struct Journal<'a> {
    content: &'a [u8],
    /// The bytes of whole batches, in order.
    pub(in crate::embedded) whole: Vec<Range<usize>>,
    /// True if whole batches follow damage.
    pub(in crate::embedded) is_damaged: bool,
    /// True if there is anything but whole batches and unused space.
    pub(in crate::embedded) is_torn: bool,
}

impl<'a> Journal<'a> {
    pub(in crate::embedded) fn read(content: &'a [u8]) -> Self {
        let content = used(content);
        let used = content.len();
        let end = whole_batches(content, 0);
        let whole = std::iter::once(0..end).collect();
        let mut journal = Self { content, whole, is_damaged: false, is_torn: end < used };
        if journal.is_torn
            && let Some(resumed) = resume(content, end)
        {
            journal.whole.push(resumed..used);
            journal.is_damaged = true;
        }
        journal
    }

    /// Returns the items of all whole batches.
    pub(in crate::embedded) fn items(&self) -> impl Iterator<Item = Item<'a>> {
        let content = self.content;
        self.whole.iter().flat_map(move |range| {
            let (mut fields, mut sequence) = (Fields(&content[range.clone()]), 0);
            std::iter::from_fn(move || {
                loop {
                    match entry(&mut fields)? {
                        Entry::Start { sequence: of, .. } => sequence = of,
                        Entry::Item { keyspace, key, value } => {
                            return Some(Item { keyspace, sequence, key, value });
                        }
                        Entry::End(_) => {}
                    }
                }
            })
        })
    }
}

/// Returns the part of a journal that was written.
///
/// A journal is longer, and its last entry never ends with a zero.
pub(in crate::embedded) fn used(content: &[u8]) -> &[u8] {
    const ZEROS: &[u8] = &[0; 4096];
    let unused = content.rchunks(ZEROS.len()).take_while(|chunk| *chunk == &ZEROS[..chunk.len()]);
    let content = &content[..content.len() - unused.map(<[u8]>::len).sum::<usize>()];
    let last = content.iter().rposition(|byte| *byte != 0);
    &content[..last.map_or(0, |last| last + 1)]
}

enum Entry<'a> {
    Start { items: u32, sequence: u64 },
    Item { keyspace: u64, key: &'a [u8], value: Option<&'a [u8]> },
    End(u64),
}

fn entry<'a>(fields: &mut Fields<'a>) -> Option<Entry<'a>> {
    Some(match fields.u8()? {
        START => Entry::Start { items: fields.u32()?, sequence: fields.u64()? },
        ITEM => {
            let (kind, compression, keyspace) = (fields.u8()?, fields.u8()?, fields.u64()?);
            let (key, value, stored) = (fields.u16()?, fields.u32()?, fields.u32()?);
            let (key, value_bytes) =
                (fields.bytes(key.into())?, fields.bytes(usize::try_from(stored).ok()?)?);
            let value = match kind {
                0 if compression == 0 && value == stored => Some(value_bytes),
                1 | 2 => None,
                _ => return None,
            };
            Entry::Item { keyspace, key, value }
        }
        END => {
            let sum = fields.u64()?;
            (fields.bytes(MAGIC.len())? == MAGIC).then_some(Entry::End(sum))?
        }
        _ => return None,
    })
}

/// Returns where the whole batches from an offset on end.
fn whole_batches(content: &[u8], mut at: usize) -> usize {
    while let Some(end) = batch_end(content, at) {
        at = end;
    }
    at
}

/// Returns the end of the batch at an offset, if it is whole.
fn batch_end(content: &[u8], at: usize) -> Option<usize> {
    let mut fields = Fields(content.get(at..)?);
    let Entry::Start { items, .. } = entry(&mut fields)? else { return None };
    let offset = |fields: &Fields<'_>| content.len() - fields.0.len();
    let begin = offset(&fields);
    for _ in 0..items {
        let Entry::Item { .. } = entry(&mut fields)? else { return None };
    }
    let end = offset(&fields);
    let Entry::End(sum) = entry(&mut fields)? else { return None };
    (xxh3_64(&content[begin..end]) == sum).then(|| offset(&fields))
}

/// Returns the first offset behind damage from which on everything is whole batches.
fn resume(content: &[u8], damaged: usize) -> Option<usize> {
    let ends = content[damaged..].windows(MAGIC.len()).enumerate().filter(|(_, bytes)| *bytes == MAGIC);
    let mut starts = ends.map(|(at, _)| damaged + at + MAGIC.len());
    starts.find(|start| *start < content.len() && whole_batches(content, *start) == content.len())
}
