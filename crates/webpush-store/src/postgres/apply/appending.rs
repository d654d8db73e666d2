//! Appending messages: duplicates, topics, quota.

use super::Applier;
use crate::postgres::working_set::{EntryRow, Need};
use crate::{AppendResult, Applied};
use std::sync::Arc;
use webpush_core::id::{EntryRef, InboxId, Position};
use webpush_core::inbox::{Entry, Owner};
use webpush_core::message::{Draft, Message, Outcome};
use webpush_core::receipt::Receipt;

impl Applier<'_> {
    pub(super) fn append(&mut self, draft: &Draft) -> Result<Applied, Need> {
        let id = (draft.agent, draft.id);
        let earlier = self.changes.appended.get(&id).copied().or_else(|| (self.earlier)(id.0, id.1));
        if let Some(position) = earlier {
            return Ok(Applied::Duplicate(Arc::new(draft.clone().into_message(position))));
        }
        if !self.is_owned_by(draft.agent, Owner::Agent)?
            || self.changes.rows.subscription(draft.agent, draft.subscription)?.is_none()
        {
            return Ok(Applied::Missing);
        }
        let replaced = self.replace(draft)?;
        let Some(position) = self.next_position(draft.agent)? else {
            return Ok(Applied::Missing);
        };
        let message = Arc::new(draft.clone().into_message(position));
        self.changes.appended.insert(id, position);
        self.insert(Entry::Message(Arc::clone(&message)))?;
        let (dropped, receipts) = self.drop_messages(&message)?;
        let receipts_dropped = std::mem::take(&mut self.changes.receipts_dropped);
        Ok(Applied::Appended(AppendResult { message, replaced, dropped, receipts, receipts_dropped }))
    }

    /// Ends the outstanding message with the same topic (RFC 8030 §5.4).
    ///
    /// An expired message has ended already, even if it is still stored.
    fn replace(&mut self, new: &Draft) -> Result<Option<EntryRef>, Need> {
        let Some(topic) = new.topic else { return Ok(None) };
        let key = (new.agent, new.subscription, topic);
        let Some(old) = self.changes.rows.outstanding(key, new.accepted)? else { return Ok(None) };
        if let Some(row) = self.changes.rows.entry(&old)?.copied() {
            self.end(old.inbox, old.position, row, Outcome::Replaced)?;
        }
        Ok(Some(old))
    }

    /// Drops messages until an inbox with a new one is within its quota.
    fn drop_messages(&mut self, new: &Message) -> Result<(Vec<EntryRef>, Vec<Receipt>), Need> {
        let (mut dropped, mut receipts) = (Vec::new(), Vec::new());
        while let Some((position, row)) = self.excess_message(new)? {
            dropped.push(EntryRef { inbox: new.agent, position, message: row.message });
            receipts.extend(self.end(new.agent, position, row, Outcome::Dropped)?);
        }
        Ok((dropped, receipts))
    }

    /// Returns the message to drop, if the inbox exceeds its quota.
    fn excess_message(&self, new: &Message) -> Result<Option<(Position, EntryRow)>, Need> {
        let usage = self.changes.rows.inbox(new.agent)?.map(|row| row.usage).unwrap_or_default();
        if usage.entries <= self.quota.messages && usage.body_bytes <= self.quota.body_bytes {
            return Ok(None);
        }
        // A message that is larger than the whole quota is the only one to go.
        if new.body.len() as u64 > self.quota.body_bytes
            && let Some(row) = self.changes.rows.entry_at(new.agent, new.position)?
        {
            return Ok(Some((new.position, *row)));
        }
        self.changes.rows.victim(new.agent)
    }

    /// Stores an entry at its position.
    pub(super) fn insert(&mut self, entry: Entry) -> Result<(), Need> {
        let (inbox, position) = (entry.entry_ref().inbox, entry.position());
        let row = EntryRow::new(&entry);
        self.count(inbox, |entries| entries + 1, |bytes| bytes + row.body_bytes())?;
        self.rows().put_entry(inbox, position, row);
        self.changes.inserted.insert((inbox, position), entry);
        Ok(())
    }

    pub(super) fn count(
        &mut self,
        inbox: InboxId,
        entries: impl FnOnce(u64) -> u64,
        bytes: impl FnOnce(u64) -> u64,
    ) -> Result<(), Need> {
        if let Some(row) = self.rows().inbox_mut(inbox)? {
            row.usage.entries = entries(row.usage.entries);
            row.usage.body_bytes = bytes(row.usage.body_bytes);
            self.changes.inboxes.insert(inbox);
        }
        Ok(())
    }
}
