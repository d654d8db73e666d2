//! Restoring records of a snapshot.

use super::accounting::EntrySize;
use super::applier::Applier;
use super::entry_row::{message_value, receipt_value};
use super::read;
use super::rows::{
    Table, channel_key, channel_value, deadline_key, entry_key, inbox_value, message_id_value,
    position_value, read_position, subscription_key, subscription_value, topic_key,
};
use super::usage_row::UsageRow;
use super::view::View;
use crate::{Applied, InboxRecord, Record, StoreError, idle};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::{Entry, Owner};
use webpush_core::message::Message;
use webpush_core::receipt::Receipt;
use webpush_core::subscription::Subscription;

impl Applier<'_> {
    pub(super) fn restore(&mut self, record: Record) -> Result<Applied, StoreError> {
        self.restores = true;
        match record {
            Record::Position(position) => {
                self.floor = self.floor.max(position);
                self.highest = self.highest.max(position);
                Ok(Applied::Created)
            }
            Record::Inbox(kept) => self.restore_inbox(&kept),
            Record::Subscription(subscription) => self.restore_subscription(&subscription),
            Record::Entry(Entry::Message(message)) => self.restore_message(&message),
            Record::Entry(Entry::Receipt(receipt)) => self.restore_receipt(&receipt),
        }
    }

    fn restore_inbox(&mut self, kept: &InboxRecord) -> Result<Applied, StoreError> {
        let inbox = &kept.inbox;
        if self.is_there(Table::Inboxes, inbox.id.as_bytes())? {
            return Ok(Applied::Taken);
        }
        self.changes.put(Table::Inboxes, inbox.id.as_bytes(), inbox_value(inbox));
        let mut usage = UsageRow::new(inbox, self.highest);
        if let Some(monitored) = kept.monitored {
            (usage.monitored, usage.hour) = (true, idle::hour(monitored));
        }
        self.put_usage(inbox.id, None, &usage);
        Ok(Applied::Created)
    }

    fn restore_subscription(&mut self, subscription: &Subscription) -> Result<Applied, StoreError> {
        let agent = subscription.agent;
        if self.usage(agent)?.is_none_or(|usage| usage.owner != Owner::Agent) {
            return Ok(Applied::Missing);
        }
        let key = subscription_key(agent, subscription.id);
        if self.is_there(Table::Subscriptions, &key)? {
            return Ok(Applied::Taken);
        }
        if let Some(channel) = subscription.channel() {
            let its = read::channel(&self.changes, agent, channel);
            if let Ok(Some(other)) = its
                && self.has(agent, other)?
            {
                return Ok(Applied::Taken);
            }
            let key = channel_key(agent, channel);
            self.changes.put(Table::Channels, &key, channel_value(&key, subscription.id));
        }
        self.changes.put(Table::Subscriptions, &key, subscription_value(subscription));
        self.change_usage(agent, |usage| usage.subscriptions += 1)?;
        Ok(Applied::Created)
    }

    fn restore_message(&mut self, message: &Message) -> Result<Applied, StoreError> {
        let (agent, position, subscription) = (message.agent, message.position, message.subscription);
        if !self.has(agent, subscription)? {
            return Ok(Applied::Missing);
        }
        let key = entry_key(agent, position);
        if self.is_there(Table::Entries, &key)? {
            return Ok(Applied::Taken);
        }
        let Some(usage) = self.usage(agent)? else { return Ok(Applied::Missing) };
        let size = EntrySize { urgency: message.urgency, body_bytes: message.body.len() as u64 };
        self.count_in_at(agent, &usage, position, size);
        self.changes.put(Table::Entries, &key, message_value(message));
        let ends = message.removal_time();
        let deadline = deadline_key(ends, agent, position);
        self.changes.put(Table::Deadlines, &deadline, message_id_value(&deadline, message.id));
        self.earliest = Some(self.earliest.map_or(ends, |earliest| earliest.min(ends)));
        if let Some(topic) = &message.topic {
            let key = topic_key(agent, subscription, topic);
            // A new message replaces the latest one.
            let latest = self.changes.get(Table::Topics, &key)?;
            let latest = latest.and_then(|value| read_position(&key, &value));
            if latest.is_none_or(|latest| latest < position) {
                self.changes.put(Table::Topics, &key, position_value(&key, position));
            }
        }
        Ok(Applied::Created)
    }

    fn restore_receipt(&mut self, receipt: &Receipt) -> Result<Applied, StoreError> {
        let Receipt { inbox, position, .. } = *receipt;
        let usage = self.usage(inbox)?.filter(|usage| usage.owner == Owner::Receipts);
        let Some(usage) = usage else { return Ok(Applied::Missing) };
        let key = entry_key(inbox, position);
        if self.is_there(Table::Entries, &key)? {
            return Ok(Applied::Taken);
        }
        self.count_in_at(inbox, &usage, position, EntrySize::RECEIPT);
        self.changes.put(Table::Entries, &key, receipt_value(receipt));
        Ok(Applied::Created)
    }

    fn has(&self, agent: InboxId, id: SubscriptionId) -> Result<bool, StoreError> {
        self.is_there(Table::Subscriptions, &subscription_key(agent, id))
    }
}
