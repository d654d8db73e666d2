//! The bytes of a file, without its holes.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Length of a page in bytes.
const PAGE: usize = 4096;

/// The bytes of a file. Pages that were never written are zeros and take no memory; clones share pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    length: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

impl Sparse {
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of the pages that have been written.
    pub(super) fn allocated(&self) -> u64 {
        (self.pages.len() * PAGE) as u64
    }

    /// Bytes that a write would allocate.
    pub(super) fn growth(&self, offset: u64, length: u64) -> u64 {
        if length == 0 {
            return 0;
        }
        let pages = offset / PAGE as u64..=(offset + length - 1) / PAGE as u64;
        let present = self.pages.range(pages.clone()).count() as u64;
        (pages.end() - pages.start() + 1 - present) * PAGE as u64
    }

    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        for (page, begin, range) in pieces(offset, bytes.len()) {
            if let Some(page) = self.pages.get(&page) {
                let length = range.len();
                bytes[range].copy_from_slice(&page[begin..begin + length]);
            }
        }
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (page, begin, range) in pieces(offset, bytes.len()) {
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[begin..begin + range.len()].copy_from_slice(&bytes[range]);
        }
        self.length = self.length.max(offset + bytes.len() as u64);
    }

    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let last = length.div_ceil(PAGE as u64);
            self.pages.split_off(&last);
            let within = (length % PAGE as u64) as usize;
            if within > 0
                && let Some(page) = self.pages.get_mut(&(length / PAGE as u64))
            {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.length = length;
    }
}

/// Splits a range of a file at pages: page, offset in it, and range of the bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let begin = (at % PAGE as u64) as usize;
        let piece = (PAGE - begin).min(length - done);
        done += piece;
        Some((at / PAGE as u64, begin, done - piece..done))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_were_written() {
        let mut file = Sparse::default();
        file.write(4000, &[7; 5000]);
        file.write(20_000, b"end");
        assert_eq!(file.length(), 20_003);
        assert_eq!(file.read(3999, 3), [0, 7, 7]);
        assert_eq!(file.read(8998, 4), [7, 7, 0, 0]);
        assert_eq!(file.read(20_001, 100), b"nd");
        assert!(file.read(30_000, 4).is_empty());
        assert_eq!(file.allocated(), 4 * 4096);
        assert_eq!((file.growth(0, 4096), file.growth(12_288, 1), file.growth(0, 0)), (0, 4096, 0));
    }

    #[test]
    fn truncated_bytes_do_not_come_back() {
        let mut file = Sparse::default();
        file.write(0, &[7; 9000]);
        file.set_length(4100);
        file.set_length(9000);
        assert_eq!(file.read(4098, 4), [7, 7, 0, 0]);
        assert_eq!(file.read(8999, 4), [0]);
    }
}
