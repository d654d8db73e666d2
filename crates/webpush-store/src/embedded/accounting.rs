//! Keeps usage rows, and the rows derived from them, correct.

use super::applier::Applier;
use super::entry_row::{EntryHead, salvage_entry_head};
use super::key::Key;
use super::read::inbox_rows;
use super::rows::{Table, empty_value, idle_key, rank_key, read_idle_key, read_inbox, subscription_key};
use super::usage_row::UsageRow;
use super::view::View;
use crate::{StoreError, position};
use std::ops::RangeInclusive;
use webpush_core::id::{InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::urgency::Urgency;

/// The parts of an entry that quotas count.
#[derive(Clone, Copy)]
pub(super) struct EntrySize {
    pub(super) urgency: Urgency,
    pub(super) body_bytes: u64,
}

impl EntrySize {
    pub(super) const RECEIPT: Self = Self { urgency: Urgency::VeryLow, body_bytes: 0 };
}

impl Applier<'_> {
    /// Returns the usage of an inbox, if the inbox exists.
    pub(super) fn usage(&mut self, inbox: InboxId) -> Result<Option<UsageRow>, StoreError> {
        if self.changes.changed(Table::Usages, inbox.as_bytes()).is_none()
            && let Ok(usage) = self.rows.usages.get(&inbox)
        {
            return Ok(Some(usage));
        }
        let damaged = match self.changes.get(Table::Usages, inbox.as_bytes()) {
            Ok(Some(value)) => match UsageRow::read(inbox, &value) {
                Some(usage) => return Ok(Some(usage)),
                None => true,
            },
            Ok(None) => false,
            Err(StoreError::Corrupt) => true,
            Err(error) => return Err(error),
        };
        if !self.is_there(Table::Inboxes, inbox.as_bytes())? {
            return Ok(None);
        }
        if damaged {
            self.changes.damage().report(Table::Usages);
        }
        self.recount(inbox).map(Some)
    }

    pub(super) fn change_usage(
        &mut self,
        inbox: InboxId,
        change: impl FnOnce(&mut UsageRow),
    ) -> Result<Option<UsageRow>, StoreError> {
        let Some(before) = self.usage(inbox)? else { return Ok(None) };
        let mut after = before;
        change(&mut after);
        if after != before {
            self.put_usage(inbox, Some(&before), &after);
        }
        Ok(Some(after))
    }

    /// Writes a usage row, and moves the inbox to its new place in the order of idle inboxes.
    ///
    /// Because both are in one batch, no inbox is ever missing from that order.
    pub(super) fn put_usage(&mut self, inbox: InboxId, before: Option<&UsageRow>, after: &UsageRow) {
        self.changes.put(Table::Usages, inbox.as_bytes(), after.value(inbox));
        let (old, new) = (before.map(|usage| usage.idle_place(inbox)), after.idle_place(inbox));
        if old != Some(new) {
            if let Some(old) = old {
                self.changes.remove(Table::Idle, &idle_key(old));
            }
            let key = idle_key(new);
            self.changes.put(Table::Idle, &key, empty_value(&key));
        }
    }

    /// Counts an entry that is about to be added, and assigns its position; `None` if its inbox is gone.
    pub(super) fn count_in(
        &mut self,
        inbox: InboxId,
        size: EntrySize,
    ) -> Result<Option<(UsageRow, Position)>, StoreError> {
        let Some(before) = self.usage(inbox)? else { return Ok(None) };
        let position = position::next(before.last.max(self.floor));
        Ok(Some((self.count_in_at(inbox, &before, position, size), position)))
    }

    /// Counts an entry that is about to be added at a position.
    pub(super) fn count_in_at(
        &mut self,
        inbox: InboxId,
        before: &UsageRow,
        position: Position,
        size: EntrySize,
    ) -> UsageRow {
        let after = UsageRow {
            entries: before.entries + 1,
            body_bytes: before.body_bytes + size.body_bytes,
            last: before.last.max(position),
            ..*before
        };
        self.entries += 1;
        self.highest = self.highest.max(position);
        self.put_usage(inbox, Some(before), &after);
        if after.ranked.is_some() {
            self.put_rank(inbox, size.urgency, position);
        }
        after
    }

    /// Subtracts an entry that is about to be removed.
    pub(super) fn count_out(
        &mut self,
        inbox: InboxId,
        position: Position,
        size: EntrySize,
    ) -> Result<(), StoreError> {
        let mut ranked = false;
        self.change_usage(inbox, |usage| {
            usage.entries = usage.entries.saturating_sub(1);
            usage.body_bytes = usage.body_bytes.saturating_sub(size.body_bytes);
            ranked = usage.ranked.is_some();
            usage.ranked = usage.ranked.filter(|_| usage.entries > 0);
        })?;
        if ranked {
            self.changes.remove(Table::Ranks, &rank_key(inbox, size.urgency, position));
        }
        Ok(())
    }

    pub(super) fn put_rank(&mut self, inbox: InboxId, urgency: Urgency, position: Position) {
        let key = rank_key(inbox, urgency, position);
        self.changes.put(Table::Ranks, &key, empty_value(&key));
    }

    /// Rebuilds a usage row from the rows of its inbox, which is needed only after damage.
    ///
    /// Removes ranks and idle places that may be wrong.
    pub(super) fn recount(&mut self, inbox: InboxId) -> Result<UsageRow, StoreError> {
        self.recounts = true;
        let row = self.changes.get(Table::Inboxes, inbox.as_bytes())?;
        let row: Option<Inbox> = row.and_then(|value| read_inbox(inbox, &value));
        let mut usage = UsageRow {
            owner: row.as_ref().map_or(Owner::Agent, |row| row.owner),
            entries: 0,
            body_bytes: 0,
            subscriptions: 0,
            // Its positions are unknown, but none is higher.
            last: self.highest,
            // Its last use is unknown, so the inbox is kept until it is monitored again.
            monitored: false,
            hour: u64::MAX,
            ranked: None,
        };
        for row in inbox_rows(&self.changes, inbox, Position::START) {
            let (position, value) = row?;
            usage.entries += 1;
            if let Some(EntryHead::Message(message)) = salvage_entry_head(inbox, position, &value) {
                usage.body_bytes += message.body_bytes;
            }
        }
        usage.subscriptions = self.keys(Table::Subscriptions, subscription_keys(inbox))?.len() as u64;
        for key in self.keys(Table::Ranks, rank_keys(inbox))? {
            self.changes.remove(Table::Ranks, &key);
        }
        let places = self.keys(Table::Idle, Key::from([0; 1])..=Key::from([u8::MAX; 26]))?;
        let its = |key: &Key| read_idle_key(key).filter(|(_, _, of)| *of == inbox);
        if let Some((_, hour, _)) = places.iter().filter_map(its).max() {
            (usage.monitored, usage.hour) = (true, hour);
        }
        for key in places.iter().filter(|key| its(key).is_some()) {
            self.changes.remove(Table::Idle, key);
        }
        self.put_usage(inbox, None, &usage);
        Ok(usage)
    }

    /// Returns the keys of rows, without those of damaged rows.
    pub(super) fn keys(&self, table: Table, keys: RangeInclusive<Key>) -> Result<Vec<Key>, StoreError> {
        let rows = self.changes.scan(table, keys).filter(|row| *row != Err(StoreError::Corrupt));
        rows.map(|row| row.map(|(key, _)| key)).collect()
    }
}

pub(super) fn subscription_keys(inbox: InboxId) -> RangeInclusive<Key> {
    let first = subscription_key(inbox, SubscriptionId::from_bytes([0; 16]));
    first.into()..=subscription_key(inbox, SubscriptionId::from_bytes([u8::MAX; 16])).into()
}

fn rank_keys(inbox: InboxId) -> RangeInclusive<Key> {
    let first = rank_key(inbox, Urgency::VeryLow, Position::START);
    first.into()..=rank_key(inbox, Urgency::High, Position::new(u64::MAX)).into()
}
