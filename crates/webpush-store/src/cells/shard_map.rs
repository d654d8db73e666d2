//! Where each shard is, as this node remembers it.

use crate::postgres::{SHARDS, ShardPlace, shard};
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::id::InboxId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Shards that are tried at random for a new inbox.
const TRIES: u64 = 1000;

/// The place of each shard, as its version and the number of its cell.
///
/// All are in the first cell until they are known to be elsewhere.
pub(super) struct ShardMap(Box<[AtomicU64]>);

impl Default for ShardMap {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl ShardMap {
    /// Returns the number of the cell of an inbox.
    pub(super) fn cell(&self, inbox: InboxId) -> i16 {
        self.place_of(shard(inbox)).cell
    }

    /// Returns the place of a shard.
    pub(super) fn place_of(&self, number: u16) -> ShardPlace {
        let packed = self.0[usize::from(number)].load(Ordering::Relaxed);
        let [version @ .., high, low] = packed.to_be_bytes();
        let version = version.iter().fold(0, |version, byte| version << 8 | i64::from(*byte));
        ShardPlace { version, cell: i16::from_be_bytes([high, low]) }
    }

    /// Records the place of a shard, unless a later one is known.
    pub(super) fn set(&self, number: u16, place: ShardPlace) {
        let packed = place.version.unsigned_abs() << 16 | u64::from(place.cell.unsigned_abs());
        self.0[usize::from(number)].fetch_max(packed, Ordering::Relaxed);
    }

    /// Takes over what another map knows.
    pub(super) fn copy(&self, other: &Self) {
        (0..=u16::MAX).for_each(|number| self.set(number, other.place_of(number)));
    }

    /// Returns a random ID with the shard replaced, so that it is in a cell chosen by `shares`.
    ///
    /// Without a cell that has a share and shards, the ID stays as it is.
    pub(super) fn place(&self, id: InboxId, shares: &[(i16, u64)]) -> InboxId {
        let total: u64 = shares.iter().map(|(_, share)| share).sum();
        // IDs may have fixed bits, so the choices are made from a hash.
        let random = |number: u64| xxh3_64_with_seed(id.as_bytes(), number);
        let Some(mut chosen) = random(0).checked_rem(total) else { return id };
        let cell = shares.iter().find(|(_, share)| {
            let is_it = chosen < *share;
            chosen = chosen.saturating_sub(*share);
            is_it
        });
        let Some((cell, _)) = cell else { return id };
        let number = |random: u64| u16::try_from(random % SHARDS as u64).unwrap_or_default();
        let is_its = |number: &u16| self.place_of(*number).cell == *cell;
        let mut tries = (1..=TRIES).map(|attempt| number(random(attempt)));
        // A cell with very few shards may be missed.
        let found = tries.find(is_its).or_else(|| (0..=u16::MAX).find(is_its));
        let Some(found) = found else { return id };
        let mut placed = *id.as_bytes();
        placed[..2].copy_from_slice(&found.to_be_bytes());
        InboxId::from_bytes(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(random: u64) -> InboxId {
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&random.to_be_bytes());
        InboxId::from_bytes(bytes)
    }

    fn in_cell(cell: i16) -> ShardPlace {
        ShardPlace { version: 1, cell }
    }

    #[test]
    fn new_inboxes_are_spread_by_share() {
        let map = ShardMap::default();
        (1000..3000).for_each(|number| map.set(number, in_cell(1)));
        let placed = |shares: &[(i16, u64)]| {
            let all: Vec<InboxId> = (0..1000u64).map(|n| map.place(id(n), shares)).collect();
            let mut shards: Vec<u16> =
                all.iter().filter(|id| map.cell(**id) == 1).map(|id| shard(*id)).collect();
            shards.sort_unstable();
            shards
        };
        assert!(placed(&[(0, 100), (1, 0)]).is_empty(), "a closed cell gets none");
        let all = placed(&[(0, 0), (1, 100)]);
        assert_eq!(all.len(), 1000);
        let most = all.chunk_by(|a, b| a == b).map(<[u16]>::len).max();
        assert!(most < Some(10), "{most:?} in one shard");
        let share = placed(&[(0, 300), (1, 100)]).len();
        assert!((200..300).contains(&share), "{share} of 1,000 for a quarter");
        let own = id(1);
        assert_eq!(map.place(own, &[(0, 0), (1, 0)]), own, "no cell takes inboxes");
        assert_eq!(map.place(own, &[(2, 100)]), own, "the cell has no shards yet");
        map.set(9, in_cell(3));
        assert_eq!(shard(map.place(own, &[(3, 100)])), 9, "its only shard");
        assert_eq!(map.place(own, &[(0, 1)]).as_bytes()[2..], own.as_bytes()[2..]);
    }

    #[test]
    fn a_later_place_counts() {
        let map = ShardMap::default();
        map.set(5, ShardPlace { version: 3, cell: 1 });
        map.set(5, ShardPlace { version: 2, cell: 300 });
        assert_eq!(map.place_of(5), ShardPlace { version: 3, cell: 1 });
        map.set(5, ShardPlace { version: 4, cell: 300 });
        assert_eq!(map.place_of(5), ShardPlace { version: 4, cell: 300 });
    }
}
