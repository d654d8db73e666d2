//! Restoring the records of a snapshot.

use super::Applier;
use crate::postgres::working_set::Need;
use crate::{Applied, InboxRecord, Record, idle};
use webpush_core::inbox::{Entry, Owner};
use webpush_core::subscription::Subscription;

impl Applier<'_> {
    pub(super) fn restore(&mut self, record: &Record) -> Result<Applied, Need> {
        match record {
            Record::Position(position) => {
                let rows = self.rows();
                rows.floor = rows.floor.max(*position);
                Ok(Applied::Created)
            }
            Record::Inbox(InboxRecord { inbox, monitored, holds: _ }) => {
                if self.changes.rows.inbox(inbox.id)?.is_some() {
                    return Ok(Applied::Taken);
                }
                self.insert_inbox(inbox, monitored.map(idle::hour));
                Ok(Applied::Created)
            }
            Record::Subscription(subscription) => self.restore_subscription(subscription),
            Record::Entry(entry) => self.restore_entry(entry),
        }
    }

    fn restore_subscription(&mut self, subscription: &Subscription) -> Result<Applied, Need> {
        let (agent, id) = (subscription.agent, subscription.id);
        if !self.is_owned_by(agent, Owner::Agent)? {
            return Ok(Applied::Missing);
        }
        let exists = self.changes.rows.subscription(agent, id)?.is_some();
        let is_taken = match subscription.channel() {
            Some(channel) => self.changes.rows.channel(agent, channel)?.is_some(),
            None => false,
        };
        if exists || is_taken {
            return Ok(Applied::Taken);
        }
        self.insert_subscription(subscription, false)?;
        Ok(Applied::Created)
    }

    fn restore_entry(&mut self, entry: &Entry) -> Result<Applied, Need> {
        let inbox = entry.entry_ref().inbox;
        let has_place = match entry {
            Entry::Message(message) => {
                self.is_owned_by(inbox, Owner::Agent)?
                    && self.changes.rows.subscription(inbox, message.subscription)?.is_some()
            }
            Entry::Receipt(_) => self.is_owned_by(inbox, Owner::Receipts)?,
        };
        if !has_place {
            return Ok(Applied::Missing);
        }
        if self.changes.rows.entry_at(inbox, entry.position())?.is_some() {
            return Ok(Applied::Taken);
        }
        self.insert(entry.clone())?;
        if let Some(row) = self.rows().inbox_mut(inbox)? {
            row.last = row.last.max(entry.position());
        }
        Ok(Applied::Created)
    }
}
