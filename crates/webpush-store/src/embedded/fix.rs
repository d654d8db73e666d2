//! Fixes damaged files of a closed engine, so that it opens and serves what is whole.
//!
//! A table is written anew with the rows of its whole blocks, a journal with its whole batches. The damaged files are kept in
//! `damaged/`. Missing rows leave [holes](super::holes).

use super::directory::engine_directory;
use super::holes::{Hole, Holes};
use super::salvage::{self, Journal, RowVersion, TableFile};
use crate::disk::Disk;
use lsm_tree::table::Writer;
use lsm_tree::{InternalValue, ValueType};
use std::io;
use std::path::Path;

/// Where damaged files are kept.
pub(super) const KEPT: &str = "damaged";

/// Writes journals anew that fjall would cut off in silence.
///
/// Only the last journal may end with a batch that is not whole.
pub(super) fn fix_damaged_journals(disk: &Disk, directory: &Path) -> io::Result<usize> {
    fix_journals(disk, directory, |journal, is_last| journal.is_damaged || journal.is_torn && !is_last)
}

/// Fixes whatever keeps the engine from opening or compacting. Returns the number of files.
pub(super) fn fix(disk: &Disk, directory: &Path) -> io::Result<usize> {
    let journals = fix_journals(disk, directory, |journal, _| journal.is_torn)?;
    let engine = engine_directory(directory);
    let tables = salvage::identify(disk, &engine)?;
    let mut holes = Holes::load(disk, directory)?;
    let mut fixed = journals;
    for (number, keyspace) in salvage::keyspaces(disk, &engine)? {
        for path in salvage::tables(disk, &keyspace)?.into_iter().filter(|path| disk.exists(path)) {
            let Some(found) = fix_table(disk, directory, &path)? else { continue };
            fixed += 1;
            let table = tables.get(&number).copied();
            tracing::error!(
                file = %path.display(),
                table = table.map_or("unknown", |table| table.name()),
                rows_lost = found.rows_lost(),
                "a table of the store was damaged; it was written anew without the damaged rows"
            );
            if let Some(table) = table {
                let found = found.holes.iter().map(|keys| Hole { table, keys: keys.clone() });
                holes.add(disk, directory, found)?;
            }
        }
    }
    Ok(fixed)
}

fn fix_journals(
    disk: &Disk,
    directory: &Path,
    is_due: impl Fn(&Journal<'_>, bool) -> bool,
) -> io::Result<usize> {
    let mut fixed = 0;
    let journals = salvage::journals(disk, &engine_directory(directory))?;
    for path in &journals {
        let (content, is_last) = (disk.read(path)?, journals.last() == Some(path));
        let journal = Journal::read(&content);
        if !is_due(&journal, is_last) {
            continue;
        }
        keep(disk, directory, path, &content)?;
        let whole: Vec<&[u8]> = journal.whole.iter().map(|range| &content[range.clone()]).collect();
        if journal.is_damaged || !is_last {
            // It is not known what the lost batches held. At the end of the last journal, the watermark tells.
            Holes::load(disk, directory)?.add(disk, directory, Hole::everywhere())?;
        }
        disk.replace(path, &whole.concat())?;
        tracing::error!(file = %path.display(), "a journal of the store was damaged; its whole batches were kept");
        fixed += 1;
    }
    Ok(fixed)
}

/// Writes a table anew if it is damaged, and returns what was found.
fn fix_table(disk: &Disk, directory: &Path, path: &Path) -> io::Result<Option<TableFile>> {
    let mut table = TableFile::open(disk, path)?;
    while table.next_block().is_some() {}
    if table.holes.is_empty() && !table.is_frame_damaged {
        return Ok(None);
    }
    let content = disk.read(path)?;
    let kept = keep(disk, directory, path, &content)?;
    drop(content);
    let mut table = TableFile::open(disk, path)?;
    let new = kept.with_extension("fixed");
    write_table(&mut table, path, &new)?;
    disk.rename(&new, path)?;
    path.parent().map_or(Ok(()), |parent| disk.sync_directory(parent))?;
    Ok(Some(table))
}

fn write_table(table: &mut TableFile, path: &Path, new: &Path) -> io::Result<()> {
    let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
    let number = number.ok_or_else(|| io::Error::other("a table has no number"))?;
    let mut writer = Writer::new(new.to_owned(), number, 0).map_err(io::Error::other)?;
    while let Some(rows) = table.next_block() {
        for RowVersion { key, sequence, value } in rows {
            let row = match value {
                Some(value) => InternalValue::from_components(&key[..], value, sequence, ValueType::Value),
                None => InternalValue::new_tombstone(&key[..], sequence),
            };
            writer.write(row).map_err(io::Error::other)?;
        }
    }
    if table.rows_read == 0 {
        // A table cannot be empty. The removal of a row that was never there changes nothing.
        let key = table.some_key().ok_or_else(|| io::Error::other("no block of a table can be read"))?;
        writer.write(InternalValue::new_tombstone(&key[..], 0)).map_err(io::Error::other)?;
    }
    writer.finish().map_err(io::Error::other).map(drop)
}

/// Copies a damaged file, and returns the path of the copy.
fn keep(disk: &Disk, directory: &Path, path: &Path, content: &[u8]) -> io::Result<std::path::PathBuf> {
    let kept = directory.join(KEPT);
    disk.create_directory(&kept)?;
    let engine = engine_directory(directory);
    let name = path.strip_prefix(&engine).unwrap_or(path).to_string_lossy().replace('/', "-");
    let free = (1_u64..).map(|number| kept.join(format!("{name}.{number}"))).find(|path| !disk.exists(path));
    let copy = free.unwrap_or_else(|| kept.join(&name));
    disk.replace(&copy, content)?;
    Ok(copy)
}
