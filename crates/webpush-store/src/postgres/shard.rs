//! Shards of inboxes: a part of the ID says to which one an inbox belongs.

use super::values::Uuid;
use std::ops::RangeInclusive;
use webpush_core::id::InboxId;

/// The number of shards.
pub(crate) const SHARDS: usize = 1 << 16;

/// Where a cell believes a shard to be.
pub(super) struct KnownPlace {
    pub(super) cell: i16,
    /// How often it has moved.
    pub(super) version: i64,
    pub(super) is_here: bool,
}

/// Where a shard is, as one cell knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardPlace {
    /// How often it has moved.
    pub(crate) version: i64,
    /// The number of its cell.
    pub(crate) cell: i16,
}

/// Returns the shard of an inbox, which never changes.
pub(crate) const fn shard(inbox: InboxId) -> u16 {
    let [first, second, ..] = *inbox.as_bytes();
    u16::from_be_bytes([first, second])
}

/// Returns the first and the last ID of inboxes in some shards.
pub(super) fn bounds(shards: &RangeInclusive<u16>) -> [Uuid; 2] {
    let bound = |shard: u16, fill: u8| {
        let mut id = [fill; 16];
        id[..2].copy_from_slice(&shard.to_be_bytes());
        Uuid(id)
    };
    [bound(*shards.start(), 0), bound(*shards.end(), u8::MAX)]
}

/// Returns the runs of consecutive numbers in a list.
pub(crate) fn runs(numbers: &[u16]) -> Vec<RangeInclusive<u16>> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let mut runs: Vec<RangeInclusive<u16>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.end().checked_add(1) == Some(number) => *run = *run.start()..=number,
            _ => runs.push(number..=number),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_shards_move_together() {
        assert_eq!(runs(&[1, 2, 3, 7, 9, 10]), [1..=3, 7..=7, 9..=10]);
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[u16::MAX]), [u16::MAX..=u16::MAX]);
    }
}
