//! Holes: ranges of keys of which the store may have lost rows.
//!
//! A row that is missing there cannot be told from one that never was, so its senders are not told that it is gone. Holes are
//! kept until the store is repaired or restored, in a file with a line for each: the name of the table, the first and the
//! last key in hexadecimal, and a checksum.

use super::fields::checksum;
use super::key::Key;
use super::rows::Table;
use crate::disk::Disk;
use std::fmt::Write as _;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

pub(super) const FILE_NAME: &str = "holes";

/// A range of keys in a table, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hole {
    pub(super) table: Table,
    pub(super) keys: RangeInclusive<Key>,
}

/// The holes of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct Holes(Vec<Hole>);

impl Hole {
    /// Holes everywhere, when it is not known which rows were lost.
    pub(super) fn everywhere() -> impl Iterator<Item = Self> {
        Table::ALL.into_iter().map(|table| Self { table, keys: Key::default()..=Key::LAST })
    }
}

impl Holes {
    /// Reads the holes of a store.
    pub(super) fn load(disk: &Disk, directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        let text = match disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read?,
        };
        let mut holes = Vec::new();
        for line in String::from_utf8_lossy(&text).lines() {
            match parse(line) {
                Some(hole) => holes.push(hole),
                None => {
                    tracing::error!(file = %path.display(), "a line of the list of holes is damaged");
                    holes.extend(Hole::everywhere().filter(|hole| is_kept(hole.table)));
                }
            }
        }
        Ok(Self(holes))
    }

    /// Adds holes, and records them. Only tables whose rows cannot be rebuilt from others have holes.
    pub(super) fn add(
        &mut self,
        disk: &Disk,
        directory: &Path,
        holes: impl IntoIterator<Item = Hole>,
    ) -> io::Result<()> {
        let before = self.0.len();
        for hole in holes {
            if is_kept(hole.table) && !self.0.contains(&hole) {
                self.0.push(hole);
            }
        }
        if self.0.len() == before {
            return Ok(());
        }
        let text: String = self.0.iter().map(line).collect();
        disk.replace(&directory.join(FILE_NAME), text.as_bytes())
    }

    /// Returns true if a missing row may have been lost.
    pub(super) fn has(&self, table: Table, key: &[u8]) -> bool {
        let in_hole =
            |hole: &Hole| hole.table == table && Key::read(key).is_some_and(|key| hole.keys.contains(&key));
        self.0.iter().any(in_hole)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

const fn is_kept(table: Table) -> bool {
    matches!(table, Table::Inboxes | Table::Subscriptions | Table::Entries)
}

fn line(hole: &Hole) -> String {
    let mut line = hole.table.name().to_owned();
    for key in [hole.keys.start(), hole.keys.end()] {
        line.push(' ');
        push_hex(&mut line, key);
    }
    let sum = checksum(&[], line.as_bytes());
    line.push(' ');
    push_hex(&mut line, &sum);
    line.push('\n');
    line
}

fn push_hex(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(line, "{byte:02x}");
    }
}

fn parse(line: &str) -> Option<Hole> {
    let (fields, sum) = line.rsplit_once(' ')?;
    if hex(sum)? != checksum(&[], fields.as_bytes()) {
        return None;
    }
    let mut fields = fields.split(' ');
    let name = fields.next()?;
    let table = Table::ALL.into_iter().find(|table| table.name() == name)?;
    let mut key = || Key::read(&hex(fields.next()?)?);
    Some(Hole { table, keys: key()?..=key()? })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_kept_and_damage_of_the_list_hides_none() {
        let directory = tempfile::tempdir().unwrap();
        let load = || Holes::load(&Disk::System, directory.path()).unwrap();
        let hole = |table, from: u8, to: u8| Hole { table, keys: [from; 16].into()..=[to; 16].into() };
        let mut holes = load();
        let derived = hole(Table::Idle, 0, 9);
        holes
            .add(
                &Disk::System,
                directory.path(),
                [hole(Table::Inboxes, 2, 4), hole(Table::Entries, 7, 9), derived],
            )
            .unwrap();
        for holes in [holes, load()] {
            assert_eq!(holes.len(), 2);
            for (table, key, is_lost) in [
                (Table::Inboxes, 1, false),
                (Table::Inboxes, 2, true),
                (Table::Inboxes, 4, true),
                (Table::Inboxes, 5, false),
                (Table::Entries, 3, false),
                (Table::Entries, 8, true),
                (Table::Idle, 3, false),
            ] {
                assert_eq!(holes.has(table, &[key; 16]), is_lost, "{table:?} {key}");
            }
        }
        let path = directory.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert!(
                load().has(Table::Inboxes, &[3; 16]) && load().has(Table::Entries, &[8; 16]),
                "byte {index}"
            );
        }
    }
}
