//! What each operation does to the rows.

use super::changes::Changes;
use super::engine::View;
use super::entry_row::{message_value, read_entry, receipt_value, salvage_entry};
use super::read::{find, inbox_rows};
use super::rows::{
    Table, deadline_key, entry_key, inbox_value, message_id_value, position_value, read_position,
    subscription_key, subscription_value, topic_key,
};
use crate::{Appended, Applied, Op, Removed, Settled, StoreError};
use fjall::Slice;
use std::sync::Arc;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::message::Message;
use webpush_core::outcome::Outcome;
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;

/// Applies operations to changes.
pub(super) struct Applier<'a> {
    pub(super) changes: Changes<'a>,
    /// The last position that was assigned.
    pub(super) position: Position,
    /// The earliest deadline that was added.
    pub(super) earliest: Option<Timestamp>,
}

/// What must be known of an entry to end it; far less than its body.
struct Ending {
    position: Position,
    message: Option<MessageEnding>,
}

struct MessageEnding {
    id: MessageId,
    subscription: SubscriptionId,
    expires: Timestamp,
    topic: Option<Topic>,
    receipt: Option<InboxId>,
    key: webpush_core::capability::KeyId,
}

impl Applier<'_> {
    /// Applies one request: all of its operations, or after an error none.
    pub(super) fn apply_request(&mut self, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
        let applied = ops.into_iter().map(|op| self.apply(op)).collect();
        match &applied {
            Ok(_) => self.changes.accept_request(),
            Err(_) => self.changes.take_request_back(),
        }
        applied
    }

    fn apply(&mut self, op: Op) -> Result<Applied, StoreError> {
        match op {
            Op::CreateInbox(inbox) => Ok(self.create_inbox(&inbox)),
            Op::Subscribe(subscription) => self.subscribe(&subscription),
            Op::Append(message) => self.append(message),
            Op::Settle(entry, outcome) => self.settle(&entry, outcome),
            Op::Unsubscribe(agent, id) => self.unsubscribe(agent, id),
            Op::RemoveInbox(inbox) => self.remove_inbox(inbox),
        }
    }

    fn create_inbox(&mut self, inbox: &Inbox) -> Applied {
        self.changes.put(Table::Inboxes, inbox.id.as_bytes(), inbox_value(inbox));
        Applied::Created
    }

    fn subscribe(&mut self, subscription: &Subscription) -> Result<Applied, StoreError> {
        if !self.is_there(Table::Inboxes, subscription.agent.as_bytes())? {
            return Ok(Applied::Missing);
        }
        let key = subscription_key(subscription.agent, subscription.id);
        self.changes.put(Table::Subscriptions, &key, subscription_value(subscription));
        Ok(Applied::Created)
    }

    fn append(&mut self, mut message: Message) -> Result<Applied, StoreError> {
        if !self.is_there(Table::Subscriptions, &subscription_key(message.agent, message.subscription))? {
            return Ok(Applied::Missing);
        }
        let replaced = self.replace(&message)?;
        message.position = self.next_position();
        let Message { agent, position, expires, .. } = message;
        self.changes.put(Table::Entries, &entry_key(agent, position), message_value(&message));
        let deadline = deadline_key(expires, agent, position);
        self.changes.put(Table::Deadlines, &deadline, message_id_value(&deadline, message.id));
        self.earliest = Some(self.earliest.map_or(expires, |earliest| earliest.min(expires)));
        if let Some(topic) = &message.topic {
            let key = topic_key(agent, message.subscription, topic);
            self.changes.put(Table::Topics, &key, position_value(&key, position));
        }
        Ok(Applied::Appended(Appended { message: Arc::new(message), replaced }))
    }

    /// Ends the message that a new one replaces. One that has expired has ended by that: it is left to be swept, with
    /// the receipt it owes.
    fn replace(&mut self, new: &Message) -> Result<Option<EntryRef>, StoreError> {
        let Some(topic) = &new.topic else { return Ok(None) };
        let key = topic_key(new.agent, new.subscription, topic);
        let Some(value) = self.changes.get(Table::Topics, &key)? else { return Ok(None) };
        let Some(position) = read_position(&key, &value) else {
            self.changes.engine().report_damage(Table::Topics);
            return Ok(None);
        };
        let Some(value) = self.changes.get(Table::Entries, &entry_key(new.agent, position))? else {
            return Ok(None);
        };
        match salvage_entry(new.agent, position, &value) {
            Some(Entry::Message(old)) if !old.is_expired(new.accepted) => {
                let ending = Ending { position, message: Some(MessageEnding::of(&old)) };
                self.end(new.agent, &ending, Outcome::Replaced)?;
                Ok(Some(old.entry_ref()))
            }
            _ => Ok(None),
        }
    }

    fn settle(&mut self, entry: &EntryRef, outcome: Outcome) -> Result<Applied, StoreError> {
        let Some((position, value)) = find(&self.changes, entry)? else { return Ok(Applied::Missing) };
        let ending = self.ending(entry.inbox, position, &value);
        Ok(Applied::Settled(Settled { receipt: self.end(entry.inbox, &ending, outcome)? }))
    }

    fn unsubscribe(&mut self, agent: InboxId, id: SubscriptionId) -> Result<Applied, StoreError> {
        let key = subscription_key(agent, id);
        if !self.is_there(Table::Subscriptions, &key)? {
            return Ok(Applied::Missing);
        }
        self.changes.remove(Table::Subscriptions, &key);
        let is_its = |ending: &Ending| ending.message.as_ref().is_some_and(|it| it.subscription == id);
        self.cancel(agent, is_its)
    }

    fn remove_inbox(&mut self, inbox: InboxId) -> Result<Applied, StoreError> {
        if !self.is_there(Table::Inboxes, inbox.as_bytes())? {
            return Ok(Applied::Missing);
        }
        self.changes.remove(Table::Inboxes, inbox.as_bytes());
        let first = subscription_key(inbox, SubscriptionId::from_bytes([0; 16]));
        let last = subscription_key(inbox, SubscriptionId::from_bytes([u8::MAX; 16]));
        let subscriptions: Vec<Slice> = self
            .changes
            .scan(Table::Subscriptions, first.into()..=last.into())
            .filter(|row| *row != Err(StoreError::Corrupt))
            .map(|row| row.map(|(key, _)| key))
            .collect::<Result<_, _>>()?;
        for key in subscriptions {
            self.changes.remove(Table::Subscriptions, &key);
        }
        self.cancel(inbox, |_| true)
    }

    fn cancel(&mut self, inbox: InboxId, which: impl Fn(&Ending) -> bool) -> Result<Applied, StoreError> {
        let mut endings = Vec::new();
        for row in inbox_rows(&self.changes, inbox, Position::START) {
            let (position, value) = row?;
            endings.push(self.ending(inbox, position, &value));
        }
        endings.retain(which);
        let mut receipts = Vec::new();
        for ending in &endings {
            receipts.extend(self.end(inbox, ending, Outcome::Cancelled)?);
        }
        Ok(Applied::Removed(Removed { entries: endings.len(), receipts }))
    }

    fn ending(&self, inbox: InboxId, position: Position, value: &Slice) -> Ending {
        let entry = read_entry(inbox, position, value).or_else(|| {
            self.changes.engine().report_damage(Table::Entries);
            salvage_entry(inbox, position, value)
        });
        let message = match entry {
            Some(Entry::Message(message)) => Some(MessageEnding::of(&message)),
            Some(Entry::Receipt(_)) | None => None,
        };
        Ending { position, message }
    }

    /// Removes an entry with all that points to it, and records the receipt it owes.
    fn end(
        &mut self,
        inbox: InboxId,
        ending: &Ending,
        outcome: Outcome,
    ) -> Result<Option<Receipt>, StoreError> {
        let Ending { position, message } = ending;
        self.changes.remove(Table::Entries, &entry_key(inbox, *position));
        let Some(message) = message else { return Ok(None) };
        self.changes.remove(Table::Deadlines, &deadline_key(message.expires, inbox, *position));
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
        let (Some(inbox), Some(status)) = (message.receipt, ReceiptStatus::of(outcome)) else {
            return Ok(None);
        };
        if !self.is_there(Table::Inboxes, inbox.as_bytes())? {
            return Ok(None);
        }
        let receipt = Receipt { inbox, position: self.next_position(), about, key: message.key, status };
        self.changes.put(Table::Entries, &entry_key(inbox, receipt.position), receipt_value(&receipt));
        Ok(Some(receipt))
    }

    fn is_there(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.changes.get(table, key)?.is_some())
    }

    const fn next_position(&mut self) -> Position {
        self.position = self.position.next();
        self.position
    }
}

impl MessageEnding {
    const fn of(message: &Message) -> Self {
        Self {
            id: message.id,
            subscription: message.subscription,
            expires: message.expires,
            topic: message.topic,
            receipt: message.receipt,
            key: message.key,
        }
    }
}
