//! The end of entries, and the receipts that they owe.

use super::Applier;
use crate::postgres::working_set::{EntryRow, Need};
use crate::{Applied, SettleResult};
use webpush_core::id::{EntryRef, InboxId, Position};
use webpush_core::inbox::{Entry, Owner};
use webpush_core::message::Outcome;
use webpush_core::receipt::{Receipt, ReceiptStatus};

impl Applier<'_> {
    pub(super) fn settle(&mut self, entry: EntryRef, outcome: Outcome) -> Result<Applied, Need> {
        if self.changes.rows.inbox(entry.inbox)?.is_none() {
            return Ok(Applied::Missing);
        }
        let Some(row) = self.changes.rows.entry(&entry)?.copied() else { return Ok(Applied::Missing) };
        let accepted = row.content.map(|message| message.accepted);
        let receipt = self.end(entry.inbox, entry.position, row, outcome)?;
        let receipts_dropped = std::mem::take(&mut self.changes.receipts_dropped);
        Ok(Applied::Settled(SettleResult { entry, outcome, accepted, receipt, receipts_dropped }))
    }

    /// Removes an entry and records the receipt that it owes.
    pub(super) fn end(
        &mut self,
        inbox: InboxId,
        position: Position,
        row: EntryRow,
        outcome: Outcome,
    ) -> Result<Option<Receipt>, Need> {
        self.remove(inbox, position, row)?;
        let Some(message) = row.content else { return Ok(None) };
        let Some(status) = ReceiptStatus::from_outcome(outcome) else { return Ok(None) };
        let Some(receipts) = message.receipt else { return Ok(None) };
        let about = EntryRef { inbox, position, message: row.message };
        let receipt = |position| Receipt { inbox: receipts, position, about, key: message.key, status };
        if !self.is_owned_by(receipts, Owner::Receipts)? {
            if self.changes.rows.is_elsewhere(receipts) {
                self.changes.outgoing.push(receipt(Position::START));
            }
            return Ok(None);
        }
        let Some(last) = self.next_position(receipts)? else { return Ok(None) };
        let receipt = receipt(last);
        self.insert(Entry::Receipt(receipt))?;
        self.drop_receipts(receipts)?;
        Ok(Some(receipt))
    }

    /// Drops the oldest receipts until their inbox is within its quota.
    fn drop_receipts(&mut self, inbox: InboxId) -> Result<(), Need> {
        while self.changes.rows.inbox(inbox)?.is_some_and(|row| row.usage.entries > self.quota.receipts) {
            let Some((position, row)) = self.changes.rows.victim(inbox)? else { break };
            self.remove(inbox, position, row)?;
            self.changes.receipts_dropped += 1;
        }
        Ok(())
    }

    fn remove(&mut self, inbox: InboxId, position: Position, row: EntryRow) -> Result<(), Need> {
        self.count(
            inbox,
            |entries| entries.saturating_sub(1),
            |bytes| bytes.saturating_sub(row.body_bytes()),
        )?;
        self.rows().remove_entry(inbox, position);
        if self.changes.inserted.remove(&(inbox, position)).is_none() {
            self.changes.deleted.insert((inbox, position));
        }
        Ok(())
    }
}
