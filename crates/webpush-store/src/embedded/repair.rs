//! Repair: a new store with all that can be read of a damaged one.
//!
//! Inboxes, subscriptions and entries are read from the tables, the journals and the log, whether or not the engine opens,
//! and restored like those of a backup, which rebuilds everything else. The old store is kept beside the new one.

mod report;
mod rows;

pub use report::{LostRows, RepairReport};

use super::directory::{engine_directory, log_directory};
use super::log;
use super::open_error::OpenError;
use super::recovery::is_segment_missing;
use super::rows::{Table, read_entry_key, read_inbox, read_subscription, read_subscription_key};
use super::salvage::{self, Journal};
use super::usage_row::UsageRow;
use super::value::Value;
use super::watermark::{self, LastKnown};
use super::{EmbeddedStore, Options, batch_markers, entry_row};
use crate::disk::Disk;
use crate::open_mode::LockError;
use crate::{Applied, Durability, InboxRecord, InboxUsage, Op, Record, Store, StoreError, idle, position};
use rows::{NewestRows, Sources};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use webpush_core::id::{InboxId, Position};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::subscription::Subscription;

/// Operations in one commit.
const BATCH: usize = 1000;

/// Builds the store in a directory anew from all that can be read of it.
///
/// The old one is renamed. After an error the old one is where it was.
///
/// # Errors
/// [`OpenError`] if the store is in use, is not there, or if the new one cannot be written.
pub fn repair(directory: &Path, options: Options) -> Result<RepairReport, OpenError> {
    let failed = |error| OpenError::Io { directory: directory.to_owned(), error };
    let disk = options.disk.clone();
    let (unfinished, finished) = (beside(directory, "repairing"), beside(directory, "repaired"));
    finish_repair(directory, &disk)?;
    if !disk.exists(directory) {
        return Err(OpenError::Incomplete { missing: directory.to_owned() });
    }
    let is_store = |part: PathBuf| disk.exists(&part);
    if !is_store(engine_directory(directory)) && !is_store(log_directory(directory)) {
        return Err(OpenError::Foreign { directory: directory.to_owned() });
    }
    let lock = disk.lock(&directory.join("lock")).map_err(|error| match error {
        LockError::Taken => OpenError::Locked { directory: directory.to_owned() },
        LockError::Io(error) => failed(error),
    })?;
    for leftover in [&unfinished, &finished] {
        if disk.exists(leftover) {
            disk.remove_directory(leftover).map_err(failed)?;
        }
    }
    let built = build(&disk, directory, &unfinished, options);
    let mut report = built.inspect_err(|_| drop(disk.remove_directory(&unfinished)))?;
    let old = (1_u64..).map(|number| beside(directory, &format!("damaged-{number}")));
    report.old = old.into_iter().find(|path| !disk.exists(path)).unwrap_or_default();
    // A power cut may keep a later rename and lose an earlier one, unless that is synced.
    rename_synced(&disk, &unfinished, &finished).map_err(failed)?;
    rename_synced(&disk, directory, &report.old).map_err(failed)?;
    rename_synced(&disk, &finished, directory).map_err(failed)?;
    drop(lock);
    Ok(report)
}

/// Puts the new store of a repair in place that was interrupted when the old one had been moved away.
///
/// Call it before anything concludes that there is no store. Returns true if there was such a repair.
///
/// # Errors
/// [`OpenError`] if the directory cannot be renamed.
pub fn finish_repair(directory: &Path, disk: &Disk) -> Result<bool, OpenError> {
    let finished = beside(directory, "repaired");
    if disk.exists(directory) || !disk.exists(&finished) {
        return Ok(false);
    }
    let renamed = rename_synced(disk, &finished, directory);
    renamed.map_err(|error| OpenError::Io { directory: directory.to_owned(), error })?;
    Ok(true)
}

fn rename_synced(disk: &Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    to.parent().map_or(Ok(()), |parent| disk.sync_directory(parent))
}

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    directory.with_file_name(name)
}

fn build(disk: &Disk, directory: &Path, new: &Path, options: Options) -> Result<RepairReport, OpenError> {
    let failed = |error| OpenError::Io { directory: directory.to_owned(), error };
    let mut report = RepairReport::default();
    let mut salvage = Salvage::read(disk, directory, &mut report).map_err(failed)?;
    let store = EmbeddedStore::open(new, options)?;
    let mut writer = RecordWriter { store: &store, ops: Vec::new(), report: &mut report };
    let filled = salvage.write(&mut writer);
    filled.and_then(|()| writer.commit()).map_err(|error| failed(io::Error::other(error)))?;
    store.close();
    for (table, sources) in salvage.tables {
        report.lost.extend(sources.lost(table));
    }
    report.lost.retain(|lost| lost.rows > 0 || !disk.exists(&lost.file));
    Ok(report)
}

/// The rows of the tables that do not follow from others, the newest of each key.
struct Salvage {
    tables: BTreeMap<&'static str, NewestRows>,
    position: Position,
}

/// The tables from which all others can be rebuilt.
const PRIMARY: [Table; 4] = [Table::Inboxes, Table::Usages, Table::Subscriptions, Table::Entries];

impl Salvage {
    fn read(disk: &Disk, directory: &Path, report: &mut RepairReport) -> io::Result<Self> {
        let engine = engine_directory(directory);
        let has_engine = disk.exists(&engine);
        let tables = if has_engine { salvage::identify(disk, &engine)? } else { BTreeMap::new() };
        let mut sources: BTreeMap<&'static str, Sources> =
            PRIMARY.iter().chain([&Table::Batches]).map(|table| (table.name(), Sources::default())).collect();
        let keyspaces = if has_engine { salvage::keyspaces(disk, &engine)? } else { BTreeMap::new() };
        for (number, keyspace) in keyspaces {
            let table = tables.get(&number).copied();
            for path in salvage::tables(disk, &keyspace)? {
                let is_wanted = table.and_then(|table| sources.get_mut(table.name()));
                match is_wanted {
                    Some(of) if disk.exists(&path) => of.add_table(disk, &path)?,
                    None if table.is_some() => {}
                    _ => report.lost.push(LostRows {
                        file: path,
                        table: table.map_or("unknown", Table::name),
                        rows: 0,
                    }),
                }
            }
        }
        for path in if has_engine { salvage::journals(disk, &engine)? } else { Vec::new() } {
            let content = disk.read(&path)?;
            for item in Journal::read(&content).items() {
                let table = tables.get(&item.keyspace);
                if let Some(of) = table.and_then(|table| sources.get_mut(table.name())) {
                    of.add(item.key, item.sequence, item.value.map(Value::from));
                }
            }
        }
        let marks = sources.remove(Table::Batches.name()).unwrap_or_default().newest();
        let marks = marks.filter_map(|(key, value)| batch_markers::frame_and_position(&key, &value));
        let (frame, position) = marks.max().unwrap_or_default();
        let LastKnown { watermark: synced, active } = watermark::read(disk, directory).unwrap_or_default();
        let log_directory = log_directory(directory);
        let mut highest = position.max(synced.position);
        if disk.exists(&log_directory) {
            let replay = log::replay(disk, &log_directory, (frame, position), synced.frame)?;
            highest = highest.max(replay.position);
            report.lost_frames = replay.missing
                + synced.frame.saturating_sub(replay.frame)
                + u64::from(is_segment_missing(disk, &log_directory, active, frame));
            for table in PRIMARY {
                for (key, value) in &replay.rows[table as usize] {
                    // Newer than everything in the engine.
                    if let Some(of) = sources.get_mut(table.name()) {
                        of.add(key, u64::MAX, value.clone());
                    }
                }
            }
        } else {
            report.lost_frames = synced.frame.saturating_sub(frame);
        }
        let tables = sources.into_iter().map(|(table, sources)| (table, sources.newest())).collect();
        Ok(Self { tables, position: highest })
    }

    fn rows(&mut self, table: Table) -> &mut NewestRows {
        self.tables.entry(table.name()).or_default()
    }

    /// Writes all records, inbox by inbox.
    fn write(&mut self, writer: &mut RecordWriter<'_>) -> Result<(), StoreError> {
        // Positions that were assigned may be lost with their entries.
        writer.push(Record::Position(position::floor_after(self.position)))?;
        while let Some(id) = PRIMARY.iter().filter_map(|table| self.rows(*table).next_inbox()).min() {
            self.write_inbox(id, writer)?;
        }
        Ok(())
    }

    fn write_inbox(&mut self, id: InboxId, writer: &mut RecordWriter<'_>) -> Result<(), StoreError> {
        let row = self.rows(Table::Inboxes).take(id, |_, value| read_inbox(id, value));
        let usage = self.rows(Table::Usages).take(id, |_, value| UsageRow::read(id, value));
        let mut subscriptions: Vec<Subscription> = Vec::new();
        let read = |key: &[u8], value: &Value| {
            read_subscription_key(key).and_then(|(agent, id)| read_subscription(agent, id, value))
        };
        while let Some(subscription) = self.rows(Table::Subscriptions).take(id, read) {
            subscriptions.push(subscription);
        }
        let read = |key: &[u8], value: &Value| {
            read_entry_key(key).and_then(|(inbox, position)| entry_row::read_entry(inbox, position, value))
        };
        let first = self.rows(Table::Entries).take(id, read);
        writer.report.rebuilt_inboxes += u64::from(row.is_none());
        let Some(inbox) = row.or_else(|| rebuilt_inbox(id, usage.as_ref(), &subscriptions, first.as_ref()))
        else {
            writer.report.rebuilt_inboxes -= 1;
            return Ok(());
        };
        let monitored = usage.filter(|usage| usage.monitored).map(|usage| idle::beginning(usage.hour));
        writer.push(Record::Inbox(InboxRecord { inbox, monitored, holds: InboxUsage::default() }))?;
        for subscription in subscriptions {
            writer.push(Record::Subscription(subscription))?;
        }
        let mut next = first;
        while let Some(entry) = next {
            writer.push(Record::Entry(entry))?;
            next = self.rows(Table::Entries).take(id, read);
        }
        Ok(())
    }
}

/// Returns an inbox whose own record is lost, from what belongs to it.
fn rebuilt_inbox(
    id: InboxId,
    usage: Option<&UsageRow>,
    subscriptions: &[Subscription],
    first: Option<&Entry>,
) -> Option<Inbox> {
    let (created, key) = match (subscriptions, first) {
        ([subscription, ..], _) => (subscription.created, subscription.key),
        ([], Some(Entry::Message(message))) => (message.accepted, message.key),
        ([], Some(Entry::Receipt(receipt))) => (Default::default(), receipt.key),
        ([], None) => return None,
    };
    let owner = match (usage, first) {
        (Some(usage), _) => usage.owner,
        (None, Some(Entry::Receipt(_))) => Owner::Receipts,
        (None, _) => Owner::Agent,
    };
    Some(Inbox { id, owner, created, key })
}

/// Writes records to the new store in batches.
struct RecordWriter<'a> {
    store: &'a EmbeddedStore,
    ops: Vec<Op>,
    report: &'a mut RepairReport,
}

impl RecordWriter<'_> {
    fn push(&mut self, record: Record) -> Result<(), StoreError> {
        self.ops.push(Op::Restore(record));
        if self.ops.len() < BATCH { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let ops = std::mem::take(&mut self.ops);
        let kinds: Vec<_> = ops.iter().map(kind).collect();
        let (sender, receiver) = mpsc::channel();
        self.store.commit(ops, Durability::Durable, Box::new(move |result| drop(sender.send(result))));
        let applied = receiver.recv().map_err(|_| StoreError::Unavailable)??;
        for (applied, kind) in applied.into_iter().zip(kinds) {
            let report = &mut *self.report;
            match (kind, applied == Applied::Created) {
                (Kind::Position, _) => {}
                (Kind::Inbox, true) => report.inboxes += 1,
                (Kind::Subscription, true) => report.subscriptions += 1,
                (Kind::Entry, true) => report.entries += 1,
                (Kind::Inbox | Kind::Subscription | Kind::Entry, false) => report.orphans += 1,
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Position,
    Inbox,
    Subscription,
    Entry,
}

const fn kind(op: &Op) -> Kind {
    match op {
        Op::Restore(Record::Inbox(_)) => Kind::Inbox,
        Op::Restore(Record::Subscription(_)) => Kind::Subscription,
        Op::Restore(Record::Entry(_)) => Kind::Entry,
        _ => Kind::Position,
    }
}
