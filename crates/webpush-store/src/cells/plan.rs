//! Plans which shards move, so that each open cell has its share of them.

use crate::postgres::{CellRecord, ShardPlace, runs};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A cell, another one, and shards to move from the first to the second.
pub(super) type Move = (i16, i16, RangeInclusive<u16>);

/// Plans which shards to move so that each open cell has its share.
///
/// A closed cell keeps its shards, and one that is drained loses all.
pub(super) fn plan(places: &[ShardPlace], records: &[CellRecord], drained: Option<i16>) -> Vec<Move> {
    let mut shards = BTreeMap::<i16, Vec<u16>>::new();
    // Numbers that differ in their first bit only stay together: IDs of devices for Chromium never have it.
    let (low, high) = places.split_at(places.len() / 2);
    for ((number, low), high) in (0..=u16::MAX).zip(low).zip(high) {
        shards.entry(low.cell).or_default().push(number);
        shards.entry(high.cell).or_default().push(number + (1 << 15));
    }
    let count = |cell: i16| shards.get(&cell).map_or(0, Vec::len);
    let takes = |record: &&CellRecord| record.is_open && record.weight > 0 && Some(record.number) != drained;
    let open: Vec<&CellRecord> = records.iter().filter(takes).collect();
    let is_kept = |cell: i16| Some(cell) != drained && open.iter().all(|record| record.number != cell);
    let kept: usize = shards.keys().filter(|cell| is_kept(**cell)).map(|cell| count(*cell)).sum();
    let total: u64 = open.iter().map(|record| u64::from(record.weight.unsigned_abs())).sum();
    let mut left = places.len() - kept;
    let mut weight_left = total;
    let mut wanted = BTreeMap::<i16, usize>::new();
    for record in &open {
        let weight = u64::from(record.weight.unsigned_abs());
        // Of what is left, so that the shares add up.
        let share = (left as u64 * weight / weight_left) as usize;
        (left, weight_left) = (left - share, weight_left - weight);
        wanted.insert(record.number, share);
    }
    let mut spare: Vec<(i16, Vec<u16>)> = Vec::new();
    for (cell, its) in &shards {
        let keeps = if is_kept(*cell) { its.len() } else { wanted.get(cell).copied().unwrap_or(0) };
        spare.push((*cell, its.get(keeps..).unwrap_or_default().to_vec()));
    }
    let mut moves = Vec::new();
    for (to, share) in wanted {
        let mut missing = share.saturating_sub(count(to));
        for (from, its) in spare.iter_mut().filter(|(from, _)| *from != to) {
            let taken = its.split_off(its.len() - missing.min(its.len()));
            missing -= taken.len();
            moves.extend(runs(&taken).into_iter().map(|run| (*from, to, run)));
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::SHARDS;

    fn record(number: i16, weight: i32, is_open: bool) -> CellRecord {
        CellRecord { number, name: number.to_string(), url: String::new(), weight, is_open, moves: 0 }
    }

    /// Moves as planned, and returns the number of shards in each cell.
    fn moved(
        places: &mut [ShardPlace],
        records: &[CellRecord],
        drained: Option<i16>,
    ) -> BTreeMap<i16, usize> {
        for (from, to, run) in plan(places, records, drained) {
            for number in run {
                let place = &mut places[usize::from(number)];
                assert_eq!(place.cell, from, "only shards that the cell has");
                place.cell = to;
            }
        }
        let mut counts = BTreeMap::new();
        places.iter().for_each(|place| *counts.entry(place.cell).or_default() += 1);
        counts
    }

    #[test]
    fn shards_are_shared_by_weight() {
        let mut places = vec![ShardPlace::default(); SHARDS];
        let mut records = vec![record(0, 100, true), record(1, 100, true)];
        assert_eq!(moved(&mut places, &records, None), [(0, 32768), (1, 32768)].into());
        assert!(plan(&places, &records, None).is_empty(), "nothing is left to do");
        records.push(record(2, 200, true));
        assert_eq!(moved(&mut places, &records, None), [(0, 16384), (1, 16384), (2, 32768)].into());
        records[1].is_open = false;
        records[2].weight = 100;
        assert_eq!(moved(&mut places, &records, None), [(0, 24576), (1, 16384), (2, 24576)].into());
        assert_eq!(moved(&mut places, &records, Some(1)), [(0, 32768), (2, 32768)].into());
        records[0].is_open = false;
        assert_eq!(moved(&mut places, &records, Some(0)), [(2, 65536)].into());
    }
}
