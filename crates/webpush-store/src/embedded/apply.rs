//! The changes that each operation makes to rows.

use super::accounting::{EntrySize, subscription_keys};
use super::applier::Applier;
use super::ending::{Ending, EndingKind, MessageEnding};
use super::entry_row::{EntryHead, message_value, salvage_entry_head};
use super::read::{self, find};
use super::rows::{
    Table, channel_key, channel_value, deadline_key, entry_key, idle_key, inbox_value, message_id_value,
    position_value, read_position, read_subscription, subscription_key, subscription_value, topic_key,
};
use super::usage_row::UsageRow;
use super::value::Value;
use super::view::View;
use crate::{AppendResult, Applied, IdleCheck, Op, SettleResult, StoreError, idle};
use std::sync::Arc;
use webpush_core::id::{ChannelId, EntryRef, InboxId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::Subscription;

/// Returns true if operations store more than they end.
///
/// An inbox that a request creates only to remove it takes no room.
fn takes_room(ops: &[Op]) -> bool {
    let is_removed =
        |id: InboxId| ops.iter().any(|op| matches!(op, Op::RemoveInbox(removed) if *removed == id));
    ops.iter().any(|op| match op {
        Op::Append(_) | Op::Subscribe(_) | Op::Restore(_) => true,
        Op::CreateInbox(inbox) => !is_removed(inbox.id),
        Op::Settle(..) | Op::Unsubscribe(..) | Op::RemoveInbox(_) | Op::Touch(..) | Op::RemoveIdle(..) => {
            false
        }
    })
}

impl Applier<'_> {
    /// Applies all operations of a request, or none after an error.
    pub(super) fn apply_request(&mut self, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
        if self.is_full && takes_room(&ops) {
            return Err(StoreError::Full);
        }
        let entries = self.entries;
        let applied = ops.into_iter().map(|op| self.apply(op)).collect();
        match &applied {
            Ok(_) => {
                self.changes.accept_request();
                self.appends.accept_request();
            }
            Err(_) => {
                self.changes.take_request_back();
                self.appends.take_request_back();
                self.receipts_dropped = 0;
                self.entries = entries;
            }
        }
        applied
    }

    fn apply(&mut self, op: Op) -> Result<Applied, StoreError> {
        match op {
            Op::CreateInbox(inbox) => self.create_inbox(&inbox),
            Op::Subscribe(subscription) => self.subscribe(&subscription),
            Op::Append(message) => self.append(message),
            Op::Settle(entry, outcome) => self.settle(&entry, outcome),
            Op::Unsubscribe(agent, id) => self.unsubscribe(agent, id),
            Op::RemoveInbox(inbox) => self.remove_inbox(inbox, None),
            Op::Touch(inbox, time) => self.touch(inbox, idle::hour(time)),
            Op::RemoveIdle(inbox, check) => self.remove_inbox(inbox, Some(&check)),
            Op::Restore(record) => self.restore(record),
        }
    }

    fn create_inbox(&mut self, inbox: &Inbox) -> Result<Applied, StoreError> {
        let before = self.usage(inbox.id)?;
        self.changes.put(Table::Inboxes, inbox.id.as_bytes(), inbox_value(inbox));
        let mut after = UsageRow::new(inbox, self.highest);
        if let Some(before) = before {
            let hour = if before.monitored { before.hour } else { after.hour };
            after = UsageRow { owner: inbox.owner, hour, ..before };
        }
        self.put_usage(inbox.id, before.as_ref(), &after);
        Ok(Applied::Created)
    }

    fn subscribe(&mut self, subscription: &Subscription) -> Result<Applied, StoreError> {
        let agent = subscription.agent;
        let usage = self.usage(agent)?.filter(|usage| usage.owner == Owner::Agent);
        let Some(usage) = usage else {
            self.changes.damage().check_absent(Table::Inboxes, agent.as_bytes())?;
            return Ok(Applied::Missing);
        };
        let key = subscription_key(agent, subscription.id);
        let before = self.changes.get(Table::Subscriptions, &key)?;
        let is_new = before.is_none();
        let others = usage.subscriptions.saturating_sub(u64::from(!is_new));
        if others >= self.quota.subscriptions {
            return Ok(Applied::Refused);
        }
        if let Some(channel) = subscription.channel()
            && self.has_other_of_channel(subscription, channel)?
        {
            return Ok(Applied::Taken);
        }
        self.forget_channel(agent, subscription.id, before.as_ref());
        if let Some(channel) = subscription.channel() {
            let key = channel_key(agent, channel);
            self.changes.put(Table::Channels, &key, channel_value(&key, subscription.id));
        }
        self.changes.put(Table::Subscriptions, &key, subscription_value(subscription));
        if is_new {
            self.change_usage(agent, |usage| usage.subscriptions += 1)?;
        }
        Ok(Applied::Created)
    }

    /// Returns true if the channel of a new subscription belongs to another one that exists.
    ///
    /// A channel whose row is damaged is free.
    fn has_other_of_channel(&self, new: &Subscription, channel: ChannelId) -> Result<bool, StoreError> {
        match read::channel(&self.changes, new.agent, channel) {
            Ok(Some(id)) if id != new.id => self.has_subscription(new.agent, id),
            Ok(_) | Err(StoreError::Corrupt) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the channel of a subscription.
    ///
    /// A channel row that is left behind after damage refers to nothing, so the channel can be used again.
    fn forget_channel(&mut self, agent: InboxId, id: SubscriptionId, row: Option<&Value>) {
        let subscription = row.and_then(|row| read_subscription(agent, id, row));
        if let Some(channel) = subscription.and_then(|subscription| subscription.channel()) {
            self.changes.remove(Table::Channels, &channel_key(agent, channel));
        }
    }

    fn touch(&mut self, inbox: InboxId, hour: u64) -> Result<Applied, StoreError> {
        let touched = self.change_usage(inbox, |usage| {
            usage.hour = if usage.monitored { hour.max(usage.hour) } else { hour };
            usage.monitored = true;
        })?;
        Ok(touched.map_or(Applied::Missing, |_| Applied::Touched))
    }

    fn append(&mut self, draft: Draft) -> Result<Applied, StoreError> {
        let agent = draft.agent;
        if let Some(position) = self.appends.position(agent, draft.id) {
            return Ok(Applied::Duplicate(Arc::new(draft.into_message(position))));
        }
        if !self.has_subscription(agent, draft.subscription)? {
            return Ok(Applied::Missing);
        }
        let replaced = self.replace(&draft)?;
        let size = EntrySize { urgency: draft.urgency, body_bytes: draft.body.len() as u64 };
        let Some((usage, position)) = self.count_in(agent, size)? else {
            self.changes.damage().check_absent(Table::Inboxes, agent.as_bytes())?;
            return Ok(Applied::Missing);
        };
        if usage.body_bytes > self.inbox_bytes {
            return Err(StoreError::Full);
        }
        self.appends.add(agent, draft.id, position);
        let message = draft.into_message(position);
        let ends = message.removal_time();
        self.changes.put(Table::Entries, &entry_key(agent, position), message_value(&message));
        let deadline = deadline_key(ends, agent, position);
        self.changes.put(Table::Deadlines, &deadline, message_id_value(&deadline, message.id));
        self.earliest = Some(self.earliest.map_or(ends, |earliest| earliest.min(ends)));
        if let Some(topic) = &message.topic {
            let key = topic_key(agent, message.subscription, topic);
            self.changes.put(Table::Topics, &key, position_value(&key, position));
        }
        let (dropped, receipts) = match usage.holds_too_many_messages(&self.quota) {
            true => self.drop_messages(&message)?,
            false => Default::default(),
        };
        let receipts_dropped = std::mem::take(&mut self.receipts_dropped);
        let message = Arc::new(message);
        Ok(Applied::Appended(AppendResult { message, replaced, dropped, receipts, receipts_dropped }))
    }

    /// Ends the message that a new one replaces.
    ///
    /// An expired message has ended already: the sweep removes it and sends its receipt.
    fn replace(&mut self, new: &Draft) -> Result<Option<EntryRef>, StoreError> {
        let Some(topic) = &new.topic else { return Ok(None) };
        let key = topic_key(new.agent, new.subscription, topic);
        let Some(value) = self.changes.get(Table::Topics, &key)? else { return Ok(None) };
        let Some(position) = read_position(&key, &value) else {
            self.changes.damage().report(Table::Topics);
            return Ok(None);
        };
        let Some(value) = self.changes.get(Table::Entries, &entry_key(new.agent, position))? else {
            return Ok(None);
        };
        match salvage_entry_head(new.agent, position, &value) {
            Some(EntryHead::Message(old)) if old.expires > new.accepted => {
                let ending = Ending { position, kind: EndingKind::Message(MessageEnding::new(&old)) };
                self.end(new.agent, &ending, Outcome::Replaced)?;
                Ok(ending.entry_ref(new.agent))
            }
            _ => Ok(None),
        }
    }

    fn settle(&mut self, entry: &EntryRef, outcome: Outcome) -> Result<Applied, StoreError> {
        let Some(value) = find(&self.changes, entry)? else { return Ok(Applied::Missing) };
        let ending = self.ending(entry.inbox, entry.position, &value);
        let receipt = self.end(entry.inbox, &ending, outcome)?;
        let receipts_dropped = std::mem::take(&mut self.receipts_dropped);
        let accepted = match &ending.kind {
            EndingKind::Message(message) => Some(message.accepted),
            EndingKind::Receipt(_) | EndingKind::Unreadable => None,
        };
        Ok(Applied::Settled(SettleResult { entry: *entry, outcome, accepted, receipt, receipts_dropped }))
    }

    fn unsubscribe(&mut self, agent: InboxId, id: SubscriptionId) -> Result<Applied, StoreError> {
        let key = subscription_key(agent, id);
        let Some(value) = self.changes.get(Table::Subscriptions, &key)? else { return Ok(Applied::Missing) };
        self.forget_channel(agent, id, Some(&value));
        self.change_usage(agent, |usage| usage.subscriptions = usage.subscriptions.saturating_sub(1))?;
        self.changes.remove(Table::Subscriptions, &key);
        self.cancel(agent, Some(id))
    }

    fn remove_inbox(&mut self, inbox: InboxId, check: Option<&IdleCheck>) -> Result<Applied, StoreError> {
        let Some(usage) = self.usage(inbox)? else { return Ok(Applied::Missing) };
        let (class, hour, _) = usage.idle_place(inbox);
        if check.is_some_and(|check| hour >= check.kept_from(class)) {
            return Ok(Applied::Missing);
        }
        for key in self.keys(Table::Subscriptions, subscription_keys(inbox))? {
            self.changes.remove(Table::Subscriptions, &key);
        }
        for key in self.keys(Table::Channels, subscription_keys(inbox))? {
            self.changes.remove(Table::Channels, &key);
        }
        let applied = self.cancel(inbox, None)?;
        if let Some(usage) = self.usage(inbox)? {
            self.changes.remove(Table::Idle, &idle_key(usage.idle_place(inbox)));
        }
        self.changes.remove(Table::Usages, inbox.as_bytes());
        self.changes.remove(Table::Inboxes, inbox.as_bytes());
        Ok(applied)
    }

    fn has_subscription(&self, agent: InboxId, id: SubscriptionId) -> Result<bool, StoreError> {
        let key = subscription_key(agent, id);
        if let Some(there) = self.changes.changed(Table::Subscriptions, &key) {
            return Ok(there);
        }
        let Err(miss) = self.rows.subscriptions.contains(&(agent, id)) else { return Ok(true) };
        let Some(value) = self.changes.get(Table::Subscriptions, &key)? else {
            self.changes.damage().check_absent(Table::Subscriptions, &key)?;
            return Ok(false);
        };
        if let Some(subscription) = read_subscription(agent, id, &value) {
            self.rows.subscriptions.fill((agent, id), &subscription, &miss);
        }
        Ok(true)
    }

    pub(super) fn is_there(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.changes.get(table, key)?.is_some())
    }
}
