//! Snapshots: the rows of one moment from memtables and engine, joined by inbox.
//!
//! Opening one only fixes what to read: changes that are not flushed are copied (their values are shared), and the engine
//! keeps its old rows. So readers of snapshots block nobody. But an engine can only be closed when nobody reads it, and a
//! reader may be slow: closing the engine ends all snapshots.

use super::damage::DamageReporter;
use super::engine::Engine;
use super::entry_row::read_entry;
use super::key::Key;
use super::memtables::{Memtables, Reader};
use super::rows::{Table, read_entry_key, read_inbox, read_subscription, read_subscription_key};
use super::usage_row::UsageRow;
use super::view::{Row, merge_overlay};
use crate::threads::sync::{Arc, Mutex, PoisonError, Weak};
use crate::{Detail, Entries, InboxRecord, InboxUsage, Record, StoreError, idle};
use std::iter::{Peekable, once_with};
use webpush_core::id::{InboxId, Position};

type Slot = Mutex<Option<SnapshotState>>;

/// The open snapshots.
#[derive(Default)]
pub(super) struct SnapshotRegistry(Mutex<Vec<Weak<Slot>>>);

impl SnapshotRegistry {
    pub(super) fn take(
        &self,
        rows: &Reader<'_>,
        position: impl FnOnce() -> Position,
        detail: &Detail,
    ) -> SnapshotCursor {
        let slot = Arc::new(Mutex::new(Some(SnapshotState::new(rows, position, *detail))));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|slot| slot.strong_count() > 0);
        all.push(Arc::downgrade(&slot));
        SnapshotCursor { slot, has_failed: false }
    }

    /// Ends all snapshots. Afterwards none of them reads the engine.
    pub(super) fn end(&self) {
        for slot in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(slot) = slot.upgrade() {
                drop(slot.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
        }
    }
}

/// A snapshot that is being read.
pub(super) struct SnapshotCursor {
    slot: Arc<Slot>,
    /// Nothing follows an error.
    has_failed: bool,
}

impl Iterator for SnapshotCursor {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let next = slot.as_mut().map_or(Some(Err(StoreError::Unavailable)), |scene| scene.next().transpose());
        if matches!(next, Some(Err(_))) {
            self.has_failed = true;
            drop(slot.take());
        }
        next
    }
}

type TableRows = Peekable<Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>>;

/// The rows of one moment.
struct SnapshotState {
    /// Until the floor of positions was returned.
    position: Option<Position>,
    inboxes: TableRows,
    usages: TableRows,
    subscriptions: TableRows,
    entries: TableRows,
    detail: Detail,
    /// The inbox whose subscriptions and entries come next.
    present: Option<InboxId>,
    /// True if a record was skipped.
    is_incomplete: bool,
    damage: Arc<DamageReporter>,
}

impl SnapshotState {
    fn new(rows: &Reader<'_>, position: impl FnOnce() -> Position, detail: Detail) -> Self {
        // While this is held, the writer changes nothing, and no memtable is dropped.
        let memtables = rows.memtables.read();
        let from = detail.after.map_or_else(Key::default, |after| Key::from(&after.as_bytes()[..]).next());
        let table = |table, is_wanted| table_rows(&memtables, rows.engine, table, (is_wanted, from));
        Self {
            position: Some(position()),
            inboxes: table(Table::Inboxes, true),
            usages: table(Table::Usages, true),
            subscriptions: table(Table::Subscriptions, detail.subscriptions),
            entries: table(Table::Entries, detail.entries != Entries::None),
            detail,
            present: None,
            is_incomplete: false,
            damage: rows.engine.share_damage(),
        }
    }

    fn next(&mut self) -> Result<Option<Record>, StoreError> {
        if let Some(position) = self.position.take() {
            return Ok(Some(Record::Position(position)));
        }
        loop {
            let found = match self.present {
                Some(inbox) => self.of_inbox(inbox)?,
                None => return self.next_inbox(),
            };
            match found {
                Some(record) => return Ok(Some(record)),
                None => self.present = None,
            }
        }
    }

    fn next_inbox(&mut self) -> Result<Option<Record>, StoreError> {
        for row in self.inboxes.by_ref() {
            let (key, value) = match row {
                Err(StoreError::Corrupt) => {
                    self.is_incomplete = true;
                    continue;
                }
                row => row?,
            };
            let Some(inbox) = <[u8; 16]>::try_from(&key[..]).ok().map(InboxId::from_bytes) else { continue };
            let Some(inbox) = read_inbox(inbox, &value) else {
                self.damage.report(Table::Inboxes);
                self.is_incomplete = true;
                continue;
            };
            let usage = row_of(&mut self.usages, inbox.id)?;
            let usage = usage.and_then(|(_, value)| UsageRow::read(inbox.id, &value));
            let holds = usage.map(|UsageRow { entries, body_bytes, subscriptions, .. }| InboxUsage {
                entries,
                body_bytes,
                subscriptions,
            });
            let monitored = usage.filter(|usage| usage.monitored);
            let monitored = monitored.map(|usage| idle::beginning(usage.hour));
            self.present = Some(inbox.id);
            return Ok(Some(Record::Inbox(InboxRecord {
                inbox,
                monitored,
                holds: holds.unwrap_or_default(),
            })));
        }
        // A copy that lacks something must not pass for a whole one.
        let is_copy = self.detail == Detail::EVERYTHING;
        if is_copy && (self.is_incomplete || self.damage.holes() > 0) {
            return Err(StoreError::Unreadable);
        }
        Ok(None)
    }

    fn of_inbox(&mut self, inbox: InboxId) -> Result<Option<Record>, StoreError> {
        while let Some((key, value)) = row_of(&mut self.subscriptions, inbox)? {
            let subscription =
                read_subscription_key(&key).and_then(|(agent, id)| read_subscription(agent, id, &value));
            match subscription {
                Some(subscription) => return Ok(Some(Record::Subscription(subscription))),
                None => {
                    self.damage.report(Table::Subscriptions);
                    self.is_incomplete = true;
                }
            }
        }
        while let Some((key, value)) = row_of(&mut self.entries, inbox)? {
            let entry =
                read_entry_key(&key).and_then(|(inbox, position)| read_entry(inbox, position, &value));
            let Some(entry) = entry else {
                self.damage.report(Table::Entries);
                self.is_incomplete = true;
                continue;
            };
            if self.detail.entries == Entries::First {
                self.present = None;
            }
            return Ok(Some(Record::Entry(entry)));
        }
        Ok(None)
    }
}

/// Returns the rows of a table from a key on; none if the detail excludes them.
///
/// They are the rows of this moment while `memtables` is held.
fn table_rows(
    memtables: &Memtables,
    engine: &Engine,
    table: Table,
    (is_wanted, from): (bool, Key),
) -> TableRows {
    let rows: Box<dyn Iterator<Item = _> + Send> = if is_wanted {
        let changed = memtables.from(table, from);
        let old = engine.rows_from(table, from);
        Box::new(once_with(move || merge_overlay(old, changed().into_iter())).flatten())
    } else {
        Box::new(std::iter::empty())
    };
    rows.peekable()
}

/// Returns the next row of an inbox. Rows of inboxes before it are orphans, and are skipped.
fn row_of(rows: &mut TableRows, inbox: InboxId) -> Result<Option<Row>, StoreError> {
    loop {
        let is_its = match rows.peek() {
            None => return Ok(None),
            Some(Ok((key, _))) => match key.get(..16).unwrap_or_default().cmp(inbox.as_bytes()) {
                std::cmp::Ordering::Greater => return Ok(None),
                order => order.is_eq(),
            },
            Some(Err(_)) => false,
        };
        match rows.next() {
            Some(Ok(row)) if is_its => return Ok(Some(row)),
            Some(Err(error)) if error != StoreError::Corrupt => return Err(error),
            _ => {}
        }
    }
}
