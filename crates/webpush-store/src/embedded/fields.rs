//! The encoding of a value: a version byte, the fields, and a checksum of key and value.
//!
//! The checksum also shows that a row was read under the key of another one.

use super::value::Value;
use webpush_core::time::Timestamp;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const ROW_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// A value that is being written.
pub(super) struct RowWriter(Vec<u8>);

impl RowWriter {
    /// Creates a value. `bytes` is the total length of the fields.
    pub(super) fn new(bytes: usize) -> Self {
        let mut row = Vec::with_capacity(1 + bytes + CHECKSUM_BYTES);
        row.push(ROW_VERSION);
        Self(row)
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn seal(mut self, key: &[u8]) -> Value {
        let checksum = checksum(key, &self.0);
        self.bytes(&checksum);
        Value::from(self.0)
    }
}

/// Returns the fields of an intact value.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<Fields<'a>> {
    let (row, sum) = value.split_last_chunk::<CHECKSUM_BYTES>()?;
    (checksum(key, row) == *sum).then(|| unseal_unchecked(value)).flatten()
}

/// Returns the fields of a value that may be damaged.
pub(super) fn unseal_unchecked(value: &[u8]) -> Option<Fields<'_>> {
    let (row, _) = value.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (version, fields) = row.split_first()?;
    (*version == ROW_VERSION).then_some(Fields(fields))
}

#[allow(clippy::cast_possible_truncation, reason = "32 of 64 bits are enough to notice damage")]
pub(super) fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    (xxh3_64_with_seed(value, xxh3_64(key)) as u32).to_le_bytes()
}

/// The rest of a value that is being read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn timestamp(&mut self) -> Option<Timestamp> {
        self.u64().map(Timestamp::from_millis)
    }
}
