//! The end of entries, and the receipts for it.

use super::accounting::EntrySize;
use super::applier::Applier;
use super::entry_row::{EntryHead, MessageHead, read_entry_head, receipt_value, salvage_entry_head};
use super::read::inbox_rows;
use super::rows::{Table, deadline_key, entry_key, read_position, topic_key};
use super::value::Value;
use super::view::View;
use crate::{Applied, RemovalResult, StoreError, position};
use webpush_core::capability::KeyId;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::Owner;
use webpush_core::message::{Outcome, removal_time};
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;

/// The parts of an entry that its end needs.
pub(super) struct Ending {
    pub(super) position: Position,
    pub(super) kind: EndingKind,
}

pub(super) enum EndingKind {
    Message(MessageEnding),
    /// The receipt for this message.
    Receipt(MessageId),
    /// Too damaged to read.
    Unreadable,
}

pub(super) struct MessageEnding {
    pub(super) accepted: Timestamp,
    id: MessageId,
    pub(super) subscription: SubscriptionId,
    ends: Timestamp,
    topic: Option<Topic>,
    receipt: Option<InboxId>,
    key: KeyId,
    size: EntrySize,
}

impl Ending {
    const fn size(&self) -> Option<EntrySize> {
        match &self.kind {
            EndingKind::Message(message) => Some(message.size),
            EndingKind::Receipt(_) => Some(EntrySize::RECEIPT),
            EndingKind::Unreadable => None,
        }
    }

    pub(super) fn entry_ref(&self, inbox: InboxId) -> Option<EntryRef> {
        let message = match &self.kind {
            EndingKind::Message(message) => message.id,
            EndingKind::Receipt(message) => *message,
            EndingKind::Unreadable => return None,
        };
        Some(EntryRef { inbox, position: self.position, message })
    }
}

impl Applier<'_> {
    pub(super) fn cancel(
        &mut self,
        inbox: InboxId,
        subscription: Option<SubscriptionId>,
    ) -> Result<Applied, StoreError> {
        let mut endings = Vec::new();
        for row in inbox_rows(&self.changes, inbox, Position::START) {
            let (position, value) = row?;
            endings.push(self.ending(inbox, position, &value));
        }
        if let Some(only) = subscription {
            endings.retain(
                |ending| matches!(&ending.kind, EndingKind::Message(message) if message.subscription == only),
            );
        }
        let mut receipts = Vec::new();
        for ending in &endings {
            receipts.extend(self.end(inbox, ending, Outcome::Canceled)?);
        }
        let receipts_dropped = std::mem::take(&mut self.receipts_dropped);
        let messages = endings.iter().filter(|ending| matches!(ending.kind, EndingKind::Message(_))).count();
        Ok(Applied::Removed(RemovalResult { inbox, subscription, messages, receipts, receipts_dropped }))
    }

    pub(super) fn ending(&self, inbox: InboxId, position: Position, value: &Value) -> Ending {
        let head = read_entry_head(inbox, position, value).or_else(|| {
            self.changes.damage().report(Table::Entries);
            salvage_entry_head(inbox, position, value)
        });
        let kind = head.map_or(EndingKind::Unreadable, |head| match head {
            EntryHead::Message(message) => EndingKind::Message(MessageEnding::new(&message)),
            EntryHead::Receipt(receipt) => EndingKind::Receipt(receipt.message()),
        });
        Ending { position, kind }
    }

    /// Removes an entry with its index rows, and records the receipt that it owes.
    pub(super) fn end(
        &mut self,
        inbox: InboxId,
        ending: &Ending,
        outcome: Outcome,
    ) -> Result<Option<Receipt>, StoreError> {
        let Ending { position, kind } = ending;
        self.entries -= 1;
        if let Some(size) = ending.size() {
            self.count_out(inbox, *position, size)?;
        }
        self.changes.remove(Table::Entries, &entry_key(inbox, *position));
        if ending.size().is_none() {
            self.recount(inbox)?;
        }
        let EndingKind::Message(message) = kind else { return Ok(None) };
        self.changes.remove(Table::Deadlines, &deadline_key(message.ends, inbox, *position));
        if let Some(topic) = &message.topic {
            let key = topic_key(inbox, message.subscription, topic);
            let latest = self.changes.get(Table::Topics, &key)?;
            if latest.is_some_and(|value| read_position(&key, &value) == Some(*position)) {
                self.changes.remove(Table::Topics, &key);
            }
        }
        let about = EntryRef { inbox, position: *position, message: message.id };
        self.record_receipt(message, about, outcome)
    }

    fn record_receipt(
        &mut self,
        message: &MessageEnding,
        about: EntryRef,
        outcome: Outcome,
    ) -> Result<Option<Receipt>, StoreError> {
        let (Some(inbox), Some(status)) = (message.receipt, ReceiptStatus::from_outcome(outcome)) else {
            return Ok(None);
        };
        let usage = self.usage(inbox)?.filter(|usage| usage.owner == Owner::Receipts);
        let Some(before) = usage else { return Ok(None) };
        let position = position::next(before.last.max(self.floor));
        let usage = self.count_in_at(inbox, &before, position, EntrySize::RECEIPT);
        let receipt = Receipt { inbox, position, about, key: message.key, status };
        self.changes.put(Table::Entries, &entry_key(inbox, receipt.position), receipt_value(&receipt));
        self.records_receipts = true;
        if usage.holds_too_many_receipts(&self.quota) {
            self.drop_receipts(inbox)?;
        }
        Ok(Some(receipt))
    }
}

impl MessageEnding {
    pub(super) fn new(message: &MessageHead) -> Self {
        Self {
            accepted: message.accepted,
            id: message.id,
            subscription: message.subscription,
            ends: removal_time(message.accepted, message.expires),
            topic: message.topic,
            receipt: message.receipt,
            key: message.key,
            size: EntrySize { urgency: message.urgency, body_bytes: message.body_bytes },
        }
    }
}
