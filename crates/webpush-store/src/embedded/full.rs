//! Dropping entries of an inbox that exceeds its quota.
//!
//! When an inbox is full for the first time, all its entries get ranks: rows that sort by urgency and position. From then
//! on the first rank is the next victim, until the inbox is empty and the ranks are gone with the entries. So a flood
//! costs one scan of the inbox, and an inbox that is never full costs nothing.

use super::applier::Applier;
use super::entry_row::read_entry_urgency;
use super::read::inbox_rows;
use super::rows::{Table, entry_key, rank_key, read_rank_key};
use super::usage_row::{Floors, UsageRow};
use super::value::Value;
use super::view::View;
use crate::{StoreError, position};
use webpush_core::id::{EntryRef, InboxId, Position};
use webpush_core::message::Message;
use webpush_core::message::Outcome;
use webpush_core::receipt::Receipt;
use webpush_core::urgency::Urgency;

impl Applier<'_> {
    /// Drops entries until an inbox with a new message is within its quota.
    pub(super) fn drop_messages(
        &mut self,
        new: &Message,
    ) -> Result<(Vec<EntryRef>, Vec<Receipt>), StoreError> {
        let quota = self.quota;
        let (mut dropped, mut receipts) = (Vec::new(), Vec::new());
        if new.body.len() as u64 > quota.body_bytes {
            self.drop_entry(new.agent, new.position, &mut dropped, &mut receipts)?;
        }
        while let Some(victim) = self.victim(new.agent, |usage| usage.holds_too_many_messages(&quota))? {
            self.drop_entry(new.agent, victim, &mut dropped, &mut receipts)?;
        }
        Ok((dropped, receipts))
    }

    /// Drops the oldest receipts that exceed the quota. They owe no receipts.
    pub(super) fn drop_receipts(&mut self, inbox: InboxId) -> Result<(), StoreError> {
        let quota = self.quota;
        let mut dropped = Vec::new();
        while let Some(victim) = self.victim(inbox, |usage| usage.holds_too_many_receipts(&quota))? {
            self.drop_entry(inbox, victim, &mut dropped, &mut Vec::new())?;
        }
        self.receipts_dropped += dropped.len();
        Ok(())
    }

    fn drop_entry(
        &mut self,
        inbox: InboxId,
        position: Position,
        dropped: &mut Vec<EntryRef>,
        receipts: &mut Vec<Receipt>,
    ) -> Result<(), StoreError> {
        match self.changes.get(Table::Entries, &entry_key(inbox, position)) {
            Ok(Some(value)) => {
                let ending = self.ending(inbox, position, &value);
                dropped.extend(ending.entry_ref(inbox));
                receipts.extend(self.end(inbox, &ending, Outcome::Dropped)?);
            }
            // A rank without an entry is useless.
            Ok(None) | Err(StoreError::Corrupt) => {
                self.changes.damage().report(Table::Ranks);
                self.recount(inbox)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns the oldest of the least urgent entries of an inbox that is over its quota.
    fn victim(
        &mut self,
        inbox: InboxId,
        is_full: impl Fn(&UsageRow) -> bool,
    ) -> Result<Option<Position>, StoreError> {
        let Some(mut usage) = self.usage(inbox)?.filter(&is_full) else { return Ok(None) };
        let mut found = self.first_rank(inbox, &mut usage)?;
        if found.is_none() {
            // No ranks are left, but the inbox counts as full: one of both is damaged.
            usage = self.recount(inbox)?;
            found = if is_full(&usage) { self.first_rank(inbox, &mut usage)? } else { None };
        }
        Ok(found)
    }

    fn first_rank(&mut self, inbox: InboxId, usage: &mut UsageRow) -> Result<Option<Position>, StoreError> {
        let before = *usage;
        let mut floors = match usage.ranked {
            Some(floors) => floors,
            None => self.rank_all(inbox)?,
        };
        let mut first = None;
        for (urgency, floor) in Urgency::ALL.into_iter().zip(&mut floors) {
            first = self.first_rank_of(inbox, urgency, *floor)?;
            // Positions only grow, so a later entry comes after all existing ones.
            *floor = first.unwrap_or_else(|| position::next(before.last));
            if first.is_some() {
                break;
            }
        }
        usage.ranked = Some(floors);
        if *usage != before {
            self.put_usage(inbox, Some(&before), usage);
        }
        Ok(first)
    }

    fn first_rank_of(
        &self,
        inbox: InboxId,
        urgency: Urgency,
        floor: Position,
    ) -> Result<Option<Position>, StoreError> {
        let last = rank_key(inbox, urgency, Position::new(u64::MAX));
        let ranks = self.changes.scan(Table::Ranks, rank_key(inbox, urgency, floor).into()..=last.into());
        let mut readable = ranks.filter(|row| *row != Err(StoreError::Corrupt));
        let first = readable.next().transpose()?;
        Ok(first.and_then(|(key, _)| read_rank_key(&key)).map(|(_, position)| position))
    }

    fn rank_all(&mut self, inbox: InboxId) -> Result<Floors, StoreError> {
        let rank = |row: Result<(Position, Value), StoreError>| {
            row.map(|(position, value)| (read_entry_urgency(&value).unwrap_or_default(), position))
        };
        let ranks = inbox_rows(&self.changes, inbox, Position::START).map(rank);
        let ranks: Vec<(Urgency, Position)> = ranks.collect::<Result<_, _>>()?;
        for (urgency, position) in ranks {
            self.put_rank(inbox, urgency, position);
        }
        Ok(Floors::default())
    }
}
