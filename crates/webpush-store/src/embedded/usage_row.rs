//! The usage row of an inbox: its size, its last position, and the time of its last use.
//!
//! It is small, because it is written with every change to the inbox.

use super::fields::{RowWriter, unseal};
use super::value::Value;
use crate::Quota;
use crate::idle::{self, IdleClass, IdlePlace};
use webpush_core::id::{InboxId, Position};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::urgency::Urgency;

const RECEIPTS: u8 = 1;
const MONITORED: u8 = 2;
const RANKED: u8 = 4;
/// The row has a position. Rows of format version 2 and earlier have none.
const POSITION: u8 = 8;

/// The first positions at which ranks of each urgency may remain. Earlier ones were removed.
pub(super) type Floors = [Position; Urgency::ALL.len()];

/// The data of an inbox that positions and quotas need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsageRow {
    pub(super) owner: Owner,
    pub(super) entries: u64,
    pub(super) body_bytes: u64,
    pub(super) subscriptions: u64,
    /// The last position assigned in the inbox, or one from before its creation.
    pub(super) last: Position,
    /// True if the inbox was ever monitored.
    pub(super) monitored: bool,
    /// The hour in which it was last monitored, or created; see [`idle::hour`].
    pub(super) hour: u64,
    /// Set while its entries have ranks: from the time it is full until it is empty.
    ///
    /// Most inboxes are never full, so most messages need no rank.
    pub(super) ranked: Option<Floors>,
}

impl UsageRow {
    /// Creates the row of a new inbox. `last` must be at least any position that an inbox with this ID had.
    pub(super) const fn new(inbox: &Inbox, last: Position) -> Self {
        Self {
            owner: inbox.owner,
            entries: 0,
            body_bytes: 0,
            subscriptions: 0,
            last,
            monitored: false,
            hour: idle::hour(inbox.created),
            ranked: None,
        }
    }

    pub(super) const fn holds_too_many_messages(&self, quota: &Quota) -> bool {
        self.entries > quota.messages || self.body_bytes > quota.body_bytes
    }

    pub(super) const fn holds_too_many_receipts(&self, quota: &Quota) -> bool {
        self.entries > quota.receipts
    }

    pub(super) const fn idle_place(&self, inbox: InboxId) -> IdlePlace {
        (IdleClass::new(self.owner, self.monitored, self.entries), self.hour, inbox)
    }

    pub(super) fn value(&self, inbox: InboxId) -> Value {
        let owner = match self.owner {
            Owner::Agent => 0,
            Owner::Receipts => RECEIPTS,
        };
        let monitored = if self.monitored { MONITORED } else { 0 };
        let ranked = if self.ranked.is_some() { RANKED } else { 0 };
        let mut row = RowWriter::new(if self.ranked.is_some() { 73 } else { 41 });
        row.u8(owner | monitored | ranked | POSITION).u64(self.entries).u64(self.body_bytes);
        row.u64(self.subscriptions).u64(self.hour).u64(self.last.get());
        for floor in self.ranked.iter().flatten() {
            row.u64(floor.get());
        }
        row.seal(inbox.as_bytes())
    }

    pub(super) fn read(inbox: InboxId, value: &[u8]) -> Option<Self> {
        let mut fields = unseal(inbox.as_bytes(), value)?;
        let flags = fields.u8()?;
        let mut usage = Self {
            owner: if flags & RECEIPTS == 0 { Owner::Agent } else { Owner::Receipts },
            entries: fields.u64()?,
            body_bytes: fields.u64()?,
            subscriptions: fields.u64()?,
            last: Position::START,
            monitored: flags & MONITORED != 0,
            hour: fields.u64()?,
            ranked: None,
        };
        if flags & POSITION != 0 {
            usage.last = Position::new(fields.u64()?);
        }
        if flags & RANKED != 0 {
            let mut floors = Floors::default();
            for floor in &mut floors {
                *floor = Position::new(fields.u64()?);
            }
            usage.ranked = Some(floors);
        }
        Some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_row_comes_back_as_it_was() {
        let inbox = InboxId::from_bytes([1; 16]);
        for owner in [Owner::Agent, Owner::Receipts] {
            for monitored in [false, true] {
                for ranked in [None, Some([1, 2, 3, u64::MAX].map(Position::new))] {
                    let usage = UsageRow {
                        owner,
                        entries: 1,
                        body_bytes: 2,
                        subscriptions: 3,
                        last: Position::new(5),
                        monitored,
                        hour: 4,
                        ranked,
                    };
                    let value = usage.value(inbox);
                    assert_eq!(UsageRow::read(inbox, &value), Some(usage));
                    assert_eq!(UsageRow::read(InboxId::from_bytes([2; 16]), &value), None);
                }
            }
        }
    }

    #[test]
    fn a_row_of_version_2_has_no_position() {
        let inbox = InboxId::from_bytes([1; 16]);
        let mut row = RowWriter::new(65);
        row.u8(MONITORED | RANKED).u64(1).u64(2).u64(3).u64(4).u64(5).u64(6).u64(7).u64(8);
        let usage = UsageRow::read(inbox, &row.seal(inbox.as_bytes())).unwrap();
        assert_eq!((usage.entries, usage.hour, usage.last), (1, 4, Position::START));
        assert_eq!(usage.ranked, Some([5, 6, 7, 8].map(Position::new)));
    }
}
