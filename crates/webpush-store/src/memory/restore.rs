//! Snapshots of the model, and restoring their records.

use super::model::Model;
use crate::idle;
use crate::{Applied, Detail, Entries, InboxRecord, InboxUsage, Record};
use std::collections::btree_map;
use webpush_core::inbox::{Entry, Inbox, Owner};

impl Model {
    pub(super) fn snapshot(&self, detail: &Detail) -> Vec<Record> {
        let mut records = vec![Record::Position(self.highest)];
        for inbox in self.inboxes.values().filter(|inbox| detail.after.is_none_or(|after| inbox.id > after)) {
            records.push(Record::Inbox(self.kept(inbox)));
            if detail.subscriptions {
                let its = self.subscriptions.iter().filter(|((agent, _), _)| *agent == inbox.id);
                records.extend(its.map(|(_, subscription)| Record::Subscription(subscription.clone())));
            }
            let most = match detail.entries {
                Entries::None => 0,
                Entries::First => 1,
                Entries::All => usize::MAX,
            };
            let entries = self.inbox_entries(inbox.id).take(most);
            records.extend(entries.map(|(_, entry)| Record::Entry(entry.clone())));
        }
        records
    }

    fn kept(&self, inbox: &Inbox) -> InboxRecord {
        let entries = || self.inbox_entries(inbox.id).map(|(_, entry)| entry);
        let body = |entry: &Entry| match entry {
            Entry::Message(message) => message.body.len() as u64,
            Entry::Receipt(_) => 0,
        };
        let holds = InboxUsage {
            entries: entries().count() as u64,
            body_bytes: entries().map(body).sum(),
            subscriptions: self.subscriptions.keys().filter(|(agent, _)| *agent == inbox.id).count() as u64,
        };
        let monitored = self.monitored.get(&inbox.id).copied().map(idle::beginning);
        InboxRecord { inbox: inbox.clone(), monitored, holds }
    }

    pub(super) fn restore(&mut self, record: Record) -> Applied {
        match record {
            Record::Position(position) => {
                self.floor = self.floor.max(position);
                self.highest = self.highest.max(position);
                Applied::Created
            }
            Record::Inbox(InboxRecord { inbox, monitored, holds: _ }) => {
                if self.inboxes.contains_key(&inbox.id) {
                    return Applied::Taken;
                }
                if let Some(monitored) = monitored {
                    self.monitored.insert(inbox.id, idle::hour(monitored));
                }
                self.begin(inbox.id);
                self.inboxes.insert(inbox.id, inbox);
                Applied::Created
            }
            Record::Subscription(subscription) => {
                let key = (subscription.agent, subscription.id);
                if !self.is_owned_by(key.0, Owner::Agent) {
                    return Applied::Missing;
                }
                let of_channel = subscription.channel().and_then(|channel| self.channel(key.0, channel));
                if self.subscriptions.contains_key(&key) || of_channel.is_some() {
                    return Applied::Taken;
                }
                self.subscriptions.insert(key, subscription);
                Applied::Created
            }
            Record::Entry(entry) => self.restore_entry(entry),
        }
    }

    fn restore_entry(&mut self, entry: Entry) -> Applied {
        let has_place = match &entry {
            Entry::Message(message) => {
                self.subscriptions.contains_key(&(message.agent, message.subscription))
            }
            Entry::Receipt(receipt) => self.is_owned_by(receipt.inbox, Owner::Receipts),
        };
        if !has_place {
            return Applied::Missing;
        }
        let (inbox, position) = (entry.entry_ref().inbox, entry.position());
        match self.entries.entry((inbox, position)) {
            btree_map::Entry::Occupied(_) => Applied::Taken,
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
                self.took(inbox, position);
                Applied::Created
            }
        }
    }
}
