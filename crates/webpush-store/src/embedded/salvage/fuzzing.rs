//! Fuzz targets of the files of the engine, which are read past damage.

use super::archive::Sections;
use super::block::{self, HEADER_BYTES, Kind};
use super::journal::{Item, Journal};
use crate::embedded::fields::Fields;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Batches of a journal.
const BATCHES: u8 = 6;

/// Reads any bytes as a journal, and then a journal that was written and damaged.
pub fn journal(input: &[u8]) {
    let read = Journal::read(input);
    assert!(read.items().count() <= input.len() && read.whole.iter().all(|range| range.end <= input.len()));
    let mut fields = Fields(input);
    let (written, ends) = journal_of(&mut fields);
    let content = damaged(&written, &mut fields);
    let (before, after) = (Journal::read(&written), Journal::read(&content));
    assert!(!before.is_torn && !before.is_damaged);
    let items: Vec<_> = before.items().collect();
    let found: Vec<_> = after.items().collect();
    // All that is read was written, in this order.
    let mut rest = items.iter();
    for item in &found {
        assert!(rest.any(|other| is_same(item, other)), "an item is read that was not written");
    }
    // Whole batches before the damage are read.
    let same = written.iter().zip(&content).take_while(|(a, b)| a == b).count();
    let whole = ends.iter().take_while(|(end, _)| *end <= same).last().map_or(0, |(_, items)| *items);
    assert!(found.len() >= whole, "{whole} items are whole, and {} are read", found.len());
}

/// Compares items without their sequence number: the checksum of a batch does not cover it.
fn is_same(a: &Item<'_>, b: &Item<'_>) -> bool {
    (a.keyspace, a.key, a.value) == (b.keyspace, b.key, b.value)
}

/// Writes a journal. Returns it with the end of each batch, and the number of items up to there.
fn journal_of(fields: &mut Fields<'_>) -> (Vec<u8>, Vec<(usize, usize)>) {
    let (mut content, mut ends, mut items) = (Vec::new(), Vec::new(), 0);
    for sequence in 0..u64::from(fields.u8().unwrap_or_default() % BATCHES) {
        let count = fields.u8().unwrap_or_default() % 4;
        content.push(1);
        content.extend_from_slice(&u32::from(count).to_le_bytes());
        content.extend_from_slice(&sequence.to_le_bytes());
        let begin = content.len();
        for _ in 0..count {
            push_item(&mut content, fields);
            items += 1;
        }
        let sum = xxh3_64(&content[begin..]);
        content.push(3);
        content.extend_from_slice(&sum.to_le_bytes());
        content.extend_from_slice(b"FJL\x03");
        ends.push((content.len(), items));
    }
    (content, ends)
}

fn push_item(content: &mut Vec<u8>, fields: &mut Fields<'_>) {
    let (kind, keyspace) = (fields.u8().unwrap_or_default() % 3, fields.u8().unwrap_or_default());
    let length = usize::from(fields.u8().unwrap_or_default());
    let value = fields.bytes(length.min(fields.0.len())).unwrap_or_default();
    let key = [keyspace, kind];
    content.extend_from_slice(&[2, kind, 0]);
    content.extend_from_slice(&u64::from(keyspace).to_le_bytes());
    content.extend_from_slice(&(key.len() as u16).to_le_bytes());
    for _ in 0..2 {
        content.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    content.extend_from_slice(&key);
    content.extend_from_slice(value);
}

/// Changes, cuts or extends bytes.
fn damaged(written: &[u8], fields: &mut Fields<'_>) -> Vec<u8> {
    let mut content = written.to_vec();
    for _ in 0..fields.u8().unwrap_or_default() % 4 {
        let (Some(kind), Some(at)) = (fields.u8(), fields.u16()) else { break };
        let at = usize::from(at) % (content.len() + 1);
        let length = usize::from(kind >> 2).min(content.len() - at);
        match kind & 3 {
            0 => content[at..at + length].fill(0),
            1 => content[at..at + length].iter_mut().for_each(|byte| *byte ^= 1 << (kind >> 5)),
            2 => content.truncate(at),
            // The unused rest of the file.
            _ => content.resize(content.len() + usize::from(kind) * 40, 0),
        }
    }
    content
}

/// Reads any bytes as the blocks and sections of a table, with checksums that are right.
pub fn table_block(input: &[u8]) {
    for kind in [Kind::Data, Kind::Index, Kind::Filter, Kind::Meta] {
        let mut whole = block_of(input, kind);
        assert_eq!(block::content(&whole, kind), Some(input));
        let at = input.len() % whole.len();
        whole[at] ^= 1;
        assert_eq!(block::content(&whole, kind), None, "a wrong bit in byte {at} is not noticed");
    }
    if let Some(rows) = block::rows(input) {
        let bytes: usize = rows.iter().map(|row| 1 + row.value.as_ref().map_or(0, |value| value.len())).sum();
        assert!(bytes <= input.len(), "bytes are read twice");
    }
    if let Some(handles) = block::handles(input) {
        assert!(handles.len() <= input.len());
    }
    let tail = sections_of(input);
    if let Some(sections) = Sections::read(&tail, tail.len() as u64) {
        assert!(sections.get("tables").is_none_or(|range| range.start <= range.end));
    }
}

fn block_of(content: &[u8], kind: Kind) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or_default().to_le_bytes();
    let sum = xxh3_128(content).to_le_bytes();
    let mut block = [b"LSM\x03", &[kind as u8][..], &sum, &length, &length].concat();
    let sum = xxh3_128(&block).to_le_bytes();
    block.extend_from_slice(&sum[..HEADER_BYTES - block.len()]);
    block.extend_from_slice(content);
    block
}

/// Returns a list of sections with its trailer.
fn sections_of(list: &[u8]) -> Vec<u8> {
    let list = [b"TOC!", list].concat();
    let length = list.len() as u64;
    let trailer =
        [b"SFA!\x01\x00", &xxh3_128(&list).to_le_bytes()[..], &0_u64.to_le_bytes(), &length.to_le_bytes()];
    [list, trailer.concat()].concat()
}
