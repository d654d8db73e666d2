//! The manifest of a keyspace: which tables belong to it.
//!
//! `current` has the number and the checksum of the effective version, and `v` with that number has its tables.

use super::archive::Sections;
use crate::disk::Disk;
use crate::embedded::fields::Fields;
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_128;

pub(super) const CURRENT: &str = "current";
const TABLES: &str = "tables";

/// The content of a manifest.
pub(in crate::embedded) enum Manifest {
    /// The keyspace has these tables.
    Whole(Vec<PathBuf>),
    /// This file is damaged or missing.
    Damaged(PathBuf),
}

/// Reads the manifest of the keyspace in a directory.
pub(in crate::embedded) fn read(disk: &Disk, keyspace: &Path) -> io::Result<Manifest> {
    let current = keyspace.join(CURRENT);
    let Some((version, sum)) = present(disk.read(&current))?.as_deref().and_then(read_current) else {
        return Ok(Manifest::Damaged(current));
    };
    let path = keyspace.join(format!("v{version}"));
    let content = present(disk.read(&path))?.unwrap_or_default();
    if xxh3_128(&content) != sum {
        return Ok(Manifest::Damaged(path));
    }
    Ok(match table_numbers(&content) {
        Some(tables) => {
            let path_of = |table: u64| keyspace.join(TABLES).join(table.to_string());
            Manifest::Whole(tables.into_iter().map(path_of).collect())
        }
        None => Manifest::Damaged(path),
    })
}

/// Returns all files with the names of tables, whether or not they belong to the keyspace.
pub(in crate::embedded) fn all_tables(disk: &Disk, keyspace: &Path) -> io::Result<Vec<PathBuf>> {
    let files = present(disk.list(&keyspace.join(TABLES)))?.unwrap_or_default();
    let is_table =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok()).is_some();
    Ok(files.into_iter().filter(is_table).collect())
}

fn present<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn read_current(content: &[u8]) -> Option<(u64, u128)> {
    let mut fields = Fields(content);
    Some((fields.u64()?, u128::from_le_bytes(fields.array()?)))
}

fn table_numbers(content: &[u8]) -> Option<Vec<u64>> {
    let sections = Sections::read(content, content.len() as u64)?;
    let range = sections.get(TABLES)?;
    let mut fields =
        Fields(content.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)?);
    let mut tables = Vec::new();
    for _level in 0..fields.u8()? {
        for _run in 0..fields.u8()? {
            for _table in 0..fields.u32()? {
                tables.push(fields.u64()?);
                // The kind and value of a checksum, and a sequence number.
                fields.bytes(1 + 16 + 8)?;
            }
        }
    }
    Some(tables)
}
