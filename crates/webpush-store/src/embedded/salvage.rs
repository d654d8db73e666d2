//! The files of the engine, read without it.
//!
//! fjall does not open when a file of it is damaged, and deletes what it does not expect. So its files are checked before it
//! opens them, and can be read past damage, which [`fix`](super::fix) and [`repair`](super::repair) need. The formats are
//! those of fjall 3, which are stable.

mod archive;
mod block;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod journal;
mod manifest;
mod table_file;
mod varint;

pub(super) use block::RowVersion;
pub(super) use journal::{Journal, used};
pub(super) use manifest::Manifest;
pub(super) use table_file::TableFile;

use super::entry_row::read_entry;
use super::key::Key;
use super::rows::{
    Table, read_entry_key, read_inbox, read_inbox_key, read_subscription, read_subscription_key,
};
use super::usage_row::UsageRow;
use crate::disk::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The keyspace in which fjall records the names of the others.
///
/// The key of a name is [`NAME`] and the number.
const NAMES: u64 = 0;
const NAME: u8 = b'n';

/// Returns the directory of each keyspace by its number.
pub(super) fn keyspaces(disk: &Disk, engine: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let directory = engine.join("keyspaces");
    if !disk.exists(&directory) {
        return Ok(BTreeMap::new());
    }
    let numbered = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
    Ok(disk.list(&directory)?.into_iter().filter_map(numbered).collect())
}

/// Returns true if there are keyspaces other than that of the names.
pub(super) fn has_keyspaces(disk: &Disk, engine: &Path) -> io::Result<bool> {
    Ok(keyspaces(disk, engine)?.into_keys().any(|number| number != NAMES))
}

/// Returns the paths of the journals, the oldest first.
pub(super) fn journals(disk: &Disk, engine: &Path) -> io::Result<Vec<PathBuf>> {
    let number = |path: &Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
    let mut journals: Vec<_> = disk
        .list(engine)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
        .collect();
    journals.sort_by_key(|path| number(path));
    Ok(journals)
}

/// Returns the tables of a keyspace: those in its manifest, or all if that is damaged.
pub(super) fn tables(disk: &Disk, keyspace: &Path) -> io::Result<Vec<PathBuf>> {
    match manifest::read(disk, keyspace)? {
        Manifest::Whole(tables) => Ok(tables),
        Manifest::Damaged(_) => manifest::all_tables(disk, keyspace),
    }
}

/// Returns a file whose damage or absence keeps fjall from opening, or makes it delete data.
pub(super) fn find_broken(disk: &Disk, engine: &Path) -> io::Result<Option<PathBuf>> {
    let directories = keyspaces(disk, engine)?;
    let Names { tables: names, incomplete } = names(disk, &directories)?;
    if incomplete.is_some() {
        // Without the settings of a keyspace, which are there as well, fjall panics.
        return Ok(incomplete);
    }
    // A keyspace without a name was being created, and is empty.
    let named = names.into_keys().chain([NAMES]);
    for number in named {
        let directory = engine.join("keyspaces").join(number.to_string());
        match manifest::read(disk, &directory)? {
            Manifest::Damaged(path) => return Ok(Some(path)),
            Manifest::Whole(tables) => {
                if let Some(missing) = tables.into_iter().find(|table| !disk.exists(table)) {
                    return Ok(Some(missing));
                }
            }
        }
    }
    Ok(None)
}

/// The tables of the store by the numbers of their keyspaces.
#[derive(Default)]
struct Names {
    /// `None` for a keyspace that is none of them.
    tables: BTreeMap<u64, Option<Table>>,
    /// A file that lacks some of them.
    incomplete: Option<PathBuf>,
}

fn names(disk: &Disk, directories: &BTreeMap<u64, PathBuf>) -> io::Result<Names> {
    let mut names = Names::default();
    let Some(directory) = directories.get(&NAMES) else { return Ok(names) };
    for path in tables(disk, directory)?.into_iter().filter(|path| disk.exists(path)) {
        let mut file = TableFile::open(disk, &path)?;
        while let Some(rows) = file.next_block() {
            for RowVersion { key, value, .. } in rows {
                let number = key.strip_prefix(&[NAME]).and_then(|number| number.try_into().ok());
                if let (Some(number), Some(name)) = (number.map(u64::from_be_bytes), value) {
                    let table = Table::ALL.into_iter().find(|table| table.name().as_bytes() == &name[..]);
                    names.tables.insert(number, table);
                }
            }
        }
        if !file.holes.is_empty() {
            names.incomplete = Some(path);
        }
    }
    Ok(names)
}

/// Returns the table that each keyspace is: by its name, or else by its rows.
pub(super) fn identify(disk: &Disk, engine: &Path) -> io::Result<BTreeMap<u64, Table>> {
    let directories = keyspaces(disk, engine)?;
    let mut found: BTreeMap<u64, Table> = BTreeMap::new();
    for (number, table) in names(disk, &directories)?.tables {
        found.extend(table.map(|table| (number, table)));
    }
    for (number, directory) in directories {
        if number == NAMES || found.contains_key(&number) {
            continue;
        }
        for path in tables(disk, &directory)?.into_iter().filter(|path| disk.exists(path)) {
            let mut file = TableFile::open(disk, &path)?;
            let table = std::iter::from_fn(|| file.next_block()).flatten().find_map(|row| table_of(&row));
            if let Some(table) = table {
                found.insert(number, table);
                break;
            }
        }
    }
    for path in journals(disk, engine)? {
        let content = disk.read(&path)?;
        for item in Journal::read(&content).items().filter(|item| item.keyspace != NAMES) {
            if !found.contains_key(&item.keyspace)
                && let Some(table) = item.value.and_then(|value| table_of_row(item.key, value))
            {
                found.insert(item.keyspace, table);
            }
        }
    }
    Ok(found)
}

fn table_of(row: &RowVersion) -> Option<Table> {
    table_of_row(&row.key, row.value.as_ref()?)
}

/// Returns the table that a row can only be of. Tables that follow from others are not told apart.
fn table_of_row(key: &[u8], value: &[u8]) -> Option<Table> {
    if let Some(inbox) = read_inbox_key(key) {
        if read_inbox(inbox, value).is_some() {
            return Some(Table::Inboxes);
        }
        return UsageRow::read(inbox, value).map(|_| Table::Usages);
    }
    match key.len() {
        8 => super::batch_markers::is_marker(&Key::read(key)?, value).then_some(Table::Batches),
        24 => {
            let (inbox, position) = read_entry_key(key)?;
            read_entry(inbox, position, value).map(|_| Table::Entries)
        }
        32 => {
            let (agent, id) = read_subscription_key(key)?;
            read_subscription(agent, id, value).map(|_| Table::Subscriptions)
        }
        _ => None,
    }
}
