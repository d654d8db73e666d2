//! The state of the application of a commit group.

use super::changes::Changes;
use super::recent_appends::RecentAppends;
use super::row_caches::RowCaches;
use crate::Quota;
use webpush_core::id::Position;
use webpush_core::time::Timestamp;

/// Applies operations to changes.
pub(super) struct Applier<'a> {
    pub(super) changes: Changes<'a>,
    pub(super) quota: Quota,
    pub(super) rows: &'a RowCaches,
    pub(super) appends: &'a mut RecentAppends,
    /// Positions are assigned above this one.
    pub(super) floor: Position,
    /// The highest position assigned in any inbox; at least the floor.
    pub(super) highest: Position,
    /// The earliest deadline that was added.
    pub(super) earliest: Option<Timestamp>,
    /// Receipts that the current operation has dropped.
    pub(super) receipts_dropped: usize,
    /// Change of the number of entries.
    pub(super) entries: i64,
    /// True if the volume is almost full: then nothing that takes room is applied.
    pub(super) is_full: bool,
    /// The most that an inbox may hold, because of the room on the volume.
    pub(super) inbox_bytes: u64,
    /// True if a record was restored: then a key may be put again.
    pub(super) restores: bool,
    /// True if a receipt was recorded: sessions deliver it when the group is committed.
    pub(super) records_receipts: bool,
    /// True if damage caused a recount of a usage row.
    pub(super) recounts: bool,
}
