//! The usage of an inbox: what it holds, and when it was used last. One small row, written with all that changes it.

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

/// From where on ranks of each urgency may be left. Those before were removed, and are not looked for again.
pub(super) type Floors = [Position; Urgency::ALL.len()];

/// What must be known of an inbox to keep it within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsageRow {
    pub(super) owner: Owner,
    pub(super) entries: u64,
    pub(super) body_bytes: u64,
    pub(super) subscriptions: u64,
    /// Whether anybody ever monitored it.
    pub(super) monitored: bool,
    /// When it was monitored last, or else created; see [`idle::hour`].
    pub(super) hour: u64,
    /// Whether its entries have ranks: from when it was full until it is empty. Most inboxes are never full, so that
    /// most messages cost no row more.
    pub(super) ranked: Option<Floors>,
}

impl UsageRow {
    pub(super) const fn new(inbox: &Inbox) -> Self {
        Self {
            owner: inbox.owner,
            entries: 0,
            body_bytes: 0,
            subscriptions: 0,
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
        (IdleClass::of(self.owner, self.monitored, self.entries), self.hour, inbox)
    }

    pub(super) fn value(&self, inbox: InboxId) -> Value {
        let owner = match self.owner {
            Owner::Agent => 0,
            Owner::Receipts => RECEIPTS,
        };
        let monitored = if self.monitored { MONITORED } else { 0 };
        let ranked = if self.ranked.is_some() { RANKED } else { 0 };
        let mut row = RowWriter::new(if self.ranked.is_some() { 65 } else { 33 });
        row.u8(owner | monitored | ranked).u64(self.entries).u64(self.body_bytes);
        row.u64(self.subscriptions).u64(self.hour);
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
            monitored: flags & MONITORED != 0,
            hour: fields.u64()?,
            ranked: None,
        };
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
    fn a_ledger_comes_back_as_it_was() {
        let inbox = InboxId::from_bytes([1; 16]);
        for owner in [Owner::Agent, Owner::Receipts] {
            for monitored in [false, true] {
                for ranked in [None, Some([1, 2, 3, u64::MAX].map(Position::new))] {
                    let usage = UsageRow {
                        owner,
                        entries: 1,
                        body_bytes: 2,
                        subscriptions: 3,
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
}
