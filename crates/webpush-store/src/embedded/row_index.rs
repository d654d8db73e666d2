//! An index of rows by the hashes of their keys, for [`super::row_cache`].
//!
//! A look-up in a large cache mostly waits for memory. So a slot has all that the index knows of a row, and slots that are
//! searched one after the other are side by side: a look-up waits for one slot and for the row.
//!
//! Open addressing with linear probing. A removal moves later slots up, so there are no tombstones.

/// The smallest table, in slots.
const LEAST_SLOTS: usize = 8;

/// Bytes of slots for each row at most: a table doubles when three quarters of it are taken.
pub(super) const INDEX_BYTES: usize = (2 * size_of::<Slot>() * 4).div_ceil(3);

/// The maximum number of rows.
pub(super) const INDEX_ROWS: usize = 1 << 30;

/// A place for a row; zero if empty.
///
/// The number of the row plus one, in 32 bits; whether it was used; and 31 bits of its hash.
#[derive(Clone, Copy)]
struct Slot(u64);

/// The numbers of rows, and which of them were used lately.
#[derive(Default)]
pub(super) struct RowIndex {
    /// A power of two, or none.
    slots: Vec<Slot>,
    rows: usize,
    /// Where the search for a row to evict goes on.
    hand: usize,
}

impl Slot {
    const EMPTY: Self = Self(0);
    const USED: u64 = 1 << 32;
    const HASH_SHIFT: u32 = 33;

    const fn new(hash: u64, row: usize) -> Self {
        Self((hash << Self::HASH_SHIFT) | (row as u64 + 1))
    }

    const fn is_empty(self) -> bool {
        self.0 == Self::EMPTY.0
    }

    const fn has_hash(self, hash: u64) -> bool {
        (self.0 ^ (hash << Self::HASH_SHIFT)) >> Self::HASH_SHIFT == 0
    }

    /// Returns the number of the row.
    #[allow(clippy::cast_possible_truncation, reason = "only these bits are the number")]
    const fn row(self) -> usize {
        self.0 as u32 as usize - 1
    }

    const fn is_used(self) -> bool {
        self.0 & Self::USED != 0
    }

    /// Returns where the search for the row begins.
    #[allow(clippy::cast_possible_truncation, reason = "31 bits")]
    const fn home(self, mask: usize) -> usize {
        (self.0 >> Self::HASH_SHIFT) as usize & mask
    }
}

impl RowIndex {
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Returns the place of a row with this hash; `None` if there is none.
    pub(super) fn find(&self, hash: u64, is_row: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut place = Slot::new(hash, 0).home(mask);
        loop {
            let slot = self.slots[place];
            if slot.is_empty() {
                return None;
            }
            if slot.has_hash(hash) && is_row(slot.row()) {
                return Some(place);
            }
            place = (place + 1) & mask;
        }
    }

    /// Returns the row at a place.
    pub(super) fn row(&self, place: usize) -> usize {
        self.slots[place].row()
    }

    /// Records that the row at a place was used.
    pub(super) fn mark_used(&mut self, place: usize) {
        if !self.slots[place].is_used() {
            self.slots[place].0 |= Slot::USED;
        }
    }

    /// Adds a row that is not there.
    pub(super) fn insert(&mut self, hash: u64, row: usize) {
        if (self.rows + 1) * 4 > self.slots.len() * 3 {
            let doubled = (2 * self.slots.len()).max(LEAST_SLOTS);
            let slots = std::mem::replace(&mut self.slots, vec![Slot::EMPTY; doubled]);
            slots.into_iter().filter(|slot| !slot.is_empty()).for_each(|slot| self.place(slot));
            self.hand = 0;
        }
        self.place(Slot::new(hash, row));
        self.rows += 1;
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut place = slot.home(mask);
        while !self.slots[place].is_empty() {
            place = (place + 1) & mask;
        }
        self.slots[place] = slot;
    }

    /// Changes the number of the row at a place.
    pub(super) fn renumber(&mut self, place: usize, row: usize) {
        let slot = &mut self.slots[place].0;
        *slot = (*slot & !u64::from(u32::MAX)) | (row as u64 + 1);
    }

    /// Removes the row at a place.
    pub(super) fn remove(&mut self, place: usize) {
        let mask = self.slots.len() - 1;
        let (mut hole, mut next) = (place, (place + 1) & mask);
        while !self.slots[next].is_empty() {
            let from_home = next.wrapping_sub(self.slots[next].home(mask)) & mask;
            if from_home >= next.wrapping_sub(hole) & mask {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[hole] = Slot::EMPTY;
        self.rows -= 1;
    }

    /// Removes a row that was not used since the hand passed it last, and returns its number.
    ///
    /// Returns `None` if there are no rows.
    pub(super) fn evict(&mut self) -> Option<usize> {
        if self.rows == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        loop {
            let (place, slot) = (self.hand, self.slots[self.hand]);
            if !slot.is_empty() && !slot.is_used() {
                // The hand stays: another row may have moved here.
                self.remove(place);
                return Some(slot.row());
            }
            self.slots[place].0 &= !Slot::USED;
            self.hand = (place + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Hashes of which many begin at the same slot, also at the last one.
    fn hash(row: usize) -> u64 {
        [0, 6, 7, 15, 1 << 20, 0x7fff_fff8, u64::MAX][row % 7]
    }

    proptest! {
        #[test]
        fn it_has_the_rows_that_were_added(steps in vec((0..60_usize, 0..5_u8), 0..400)) {
            let (mut index, mut rows) = (RowIndex::default(), [false; 60]);
            for (row, step) in steps {
                let place = index.find(hash(row), |found| found == row);
                prop_assert_eq!(place.map(|place| index.row(place)), rows[row].then_some(row));
                match (step, place) {
                    (0, Some(place)) => {
                        index.remove(place);
                        rows[row] = false;
                    }
                    (1, Some(place)) => index.mark_used(place),
                    (2, _) => {
                        let evicted = index.evict();
                        prop_assert_eq!(evicted.is_none(), rows.iter().all(|is_there| !is_there));
                        if let Some(evicted) = evicted {
                            prop_assert!(rows[evicted]);
                            rows[evicted] = false;
                        }
                    }
                    (_, None) => {
                        index.insert(hash(row), row);
                        rows[row] = true;
                    }
                    _ => {}
                }
                prop_assert_eq!(index.len(), rows.iter().filter(|is_there| **is_there).count());
            }
        }
    }

    #[test]
    fn a_row_that_is_used_again_outlives_the_others() {
        let mut index = RowIndex::default();
        for row in 0..1000 {
            if row >= 10 {
                let kept = index.find(hash(3), |found| found == 3).unwrap();
                index.mark_used(kept);
                assert_ne!(index.evict(), Some(3));
            }
            index.insert(hash(row), row);
        }
        assert_eq!((index.len(), index.bytes()), (10, 16 * size_of::<Slot>()));
    }
}
