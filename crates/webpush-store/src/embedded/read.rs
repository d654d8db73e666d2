//! Reads of inboxes, entries and deadlines.

use super::entry_row::{read_entry, read_entry_id};
use super::memtables::Reader;
use super::rows::{
    ENTRY_KEY_BYTES, Table, channel_key, entry_key, idle_key, read_channel, read_deadline_key,
    read_entry_key, read_idle_key, read_message_id,
};
use super::usage_row::UsageRow;
use super::value::Value;
use super::view::View;
use crate::idle::IdleClass;
use crate::{Due, IdleCheck, Latest, StoreError, position};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::session::{FETCH_ENTRIES, Page, ScanBudget, Scope};
use webpush_core::time::Timestamp;

/// Rows that one step of [`latest`] reads. Their bodies are copied, whether or not it needs them.
const LATEST_ROWS: usize = 16;

/// Looks up an entry by its position; `None` if another one is there. The value may be damaged.
pub(super) fn find(view: &impl View, entry: &EntryRef) -> Result<Option<Value>, StoreError> {
    let there = view.get(Table::Entries, &entry_key(entry.inbox, entry.position))?;
    Ok(there.filter(|value| read_entry_id(value) == Some(entry.message)))
}

/// Returns the subscription of a channel. It may have been removed.
pub(super) fn channel(
    view: &impl View,
    agent: InboxId,
    channel: ChannelId,
) -> Result<Option<SubscriptionId>, StoreError> {
    let key = channel_key(agent, channel);
    let Some(value) = view.get(Table::Channels, &key)? else { return Ok(None) };
    match read_channel(&key, &value) {
        Some(id) => Ok(Some(id)),
        None => Err(view.damage().report(Table::Channels)),
    }
}

pub(super) fn entry(view: &impl View, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
    let Some(value) = find(view, entry)? else {
        view.damage().check_absent(Table::Entries, &entry_key(entry.inbox, entry.position))?;
        return Ok(None);
    };
    match read_entry(entry.inbox, entry.position, &value) {
        Some(entry) => Ok(Some(entry)),
        None => Err(view.damage().report(Table::Entries)),
    }
}

/// Returns the rows of an inbox from a position on. Damaged rows are reported and skipped.
pub(super) fn inbox_rows(
    view: &impl View,
    inbox: InboxId,
    from: Position,
) -> impl Iterator<Item = Result<(Position, Value), StoreError>> {
    let keys = entry_key(inbox, from).into()..=entry_key(inbox, Position::END).into();
    let rows = view.scan(Table::Entries, keys);
    rows.filter(|row| !matches!(row, Err(StoreError::Corrupt))).filter_map(|row| match row {
        Ok((key, value)) => read_entry_key(&key).map(|(_, position)| Ok((position, value))),
        Err(error) => Some(Err(error)),
    })
}

pub(super) fn fetch(
    view: &impl View,
    scope: &Scope,
    after: Position,
    now: Timestamp,
) -> Result<Page, StoreError> {
    let mut page = Page { entries: Vec::new(), scanned: after, more: false };
    if after == Position::END {
        return Ok(page);
    }
    let mut budget = ScanBudget::default();
    for row in inbox_rows(view, scope.inbox, position::next(after)) {
        if budget.is_spent() || page.entries.len() == FETCH_ENTRIES {
            page.more = true;
            break;
        }
        let (position, value) = row?;
        page.scanned = position;
        let entry = read_entry(scope.inbox, position, &value);
        budget.count(entry.as_ref());
        match entry {
            Some(entry) if crate::is_visible(scope, &entry, now) => page.entries.push(entry),
            Some(_) => {}
            None => drop(view.damage().report(Table::Entries)),
        }
    }
    Ok(page)
}

pub(super) fn latest(
    rows: &Reader<'_>,
    scope: &Scope,
    before: Position,
    now: Timestamp,
) -> Result<Latest, StoreError> {
    let Some(last) = before.get().checked_sub(1).map(Position::new) else { return Ok(Latest::Nothing) };
    let keys = entry_key(scope.inbox, Position::START).into()..=entry_key(scope.inbox, last).into();
    let (rows_found, reach) = rows.last_rows(Table::Entries, &keys, LATEST_ROWS)?;
    for (key, value) in rows_found {
        let Some((inbox, position)) = read_entry_key(&key) else { continue };
        match read_entry(inbox, position, &value) {
            Some(entry) if crate::is_visible(scope, &entry, now) => return Ok(Latest::Entry(entry)),
            Some(_) => {}
            None => drop(rows.engine.damage().report(Table::Entries)),
        }
    }
    let before = reach.and_then(|key| {
        let (_, position) = read_entry_key(&key)?;
        // A longer key follows that of an entry, which was not read.
        let is_read = key.len() == ENTRY_KEY_BYTES;
        Some(if is_read { position } else { Position::new(position.get().saturating_add(1)) })
    });
    Ok(before.map_or(Latest::Nothing, Latest::Continue))
}

/// Lists messages that have ended, and the first deadline.
///
/// No deadline before `from` may exist.
pub(super) fn due(
    view: &impl View,
    from: Timestamp,
    now: Timestamp,
    limit: usize,
) -> Result<(Due, Option<Timestamp>), StoreError> {
    let mut due = Due::default();
    let mut first = None;
    let first_key = from.as_millis().to_be_bytes().into();
    for row in view.scan(Table::Deadlines, first_key..=[u8::MAX; 33].into()) {
        let (key, value) = match row {
            Err(StoreError::Corrupt) => continue,
            row => row?,
        };
        let Some((expires, inbox, position)) = read_deadline_key(&key) else { continue };
        let Some(message) = read_message_id(&key, &value) else {
            view.damage().report(Table::Deadlines);
            continue;
        };
        // A deadline whose message is damaged cannot be settled: listing it would keep the sweep busy forever.
        let there = view.get(Table::Entries, &entry_key(inbox, position));
        if !matches!(there, Ok(Some(value)) if read_entry_id(&value) == Some(message)) {
            continue;
        }
        first.get_or_insert(expires);
        if expires > now || due.entries.len() == limit {
            due.next = Some(expires);
            break;
        }
        due.entries.push(EntryRef { inbox, position, message });
    }
    Ok((due, first))
}

/// Lists idle inboxes. Both classes are in the order of their hours, so no other inbox is read.
pub(super) fn idle(view: &impl View, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
    let mut idle = Vec::new();
    for class in IdleClass::ALL {
        let Some(last_hour) = check.kept_from(class).checked_sub(1) else { continue };
        let first = idle_key((class, 0, InboxId::from_bytes([0; 16])));
        let last = idle_key((class, last_hour, InboxId::from_bytes([u8::MAX; 16])));
        for row in view.scan(Table::Idle, first.into()..=last.into()) {
            if idle.len() == limit {
                return Ok(idle);
            }
            let (key, _) = match row {
                Err(StoreError::Corrupt) => continue,
                row => row?,
            };
            let Some(place) = read_idle_key(&key) else { continue };
            // A row that contradicts its inbox cannot be removed: listing it would keep the sweep busy forever.
            let usage = view.get(Table::Usages, place.2.as_bytes());
            let usage = usage.ok().flatten().and_then(|value| UsageRow::read(place.2, &value));
            if usage.is_some_and(|usage| usage.idle_place(place.2) == place) {
                idle.push(place.2);
            }
        }
    }
    Ok(idle)
}
