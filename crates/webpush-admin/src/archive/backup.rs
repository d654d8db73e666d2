//! A backup whose records are read one by one, after it was verified.

use super::line::{ArchiveKind, Line};
use super::read::{ArchiveReader, lines};
use super::restore::read;
use super::{ArchiveFile, LINE_BYTES, with_position_gap};
use crate::sealing_keys::Keys;
use anyhow::{Context as _, bail};
use std::io::BufReader;
use std::path::Path;
use webpush_core::capability::KeyId;
use webpush_core::time::Timestamp;
use webpush_store::Record;

/// A complete backup.
pub struct Backup {
    file: ArchiveFile,
    /// The sealing keys; the last one is the current key.
    pub keys: Keys,
    /// When an inbox was last used; `None` without inboxes.
    pub last_use: Option<Timestamp>,
}

impl Backup {
    /// Opens a file, and verifies it to its end; `-` is standard input.
    ///
    /// # Errors
    /// Fails if it cannot be read, is invalid, or is an export, which may be incomplete.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot use {}", path.display());
        let file = ArchiveFile::open(path).with_context(cannot)?;
        let (mut keys, mut last_use) = (Keys::new(), None);
        let each = |line| {
            match line {
                Line::Key { id, secret } => keys.push((KeyId(id), secret.0)),
                Line::Begin(begin) if begin.kind != ArchiveKind::Backup => {
                    bail!("it is an export: make a backup with webpush-server backup")
                }
                line @ Line::Inbox(_) => {
                    if let Some(Record::Inbox(inbox)) = line.record().map_err(anyhow::Error::msg)? {
                        last_use = last_use.max(Some(inbox.last_use()));
                    }
                }
                _ => {}
            }
            Ok(())
        };
        read(&file, each).with_context(cannot)?;
        Ok(Self { file, keys, last_use })
    }

    /// Returns the records in the order of the file. Positions of new entries skip ahead.
    ///
    /// # Errors
    /// Fails if the file cannot be read again.
    pub fn records(self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Record>> + Send> {
        let mut lines = lines(BufReader::with_capacity(2 * LINE_BYTES, self.file.into_file()?));
        let mut reader = Some(ArchiveReader::default());
        let mut next = move || -> anyhow::Result<Option<Record>> {
            while let Some(verifier) = &mut reader {
                let Some(line) = lines.next().transpose()? else {
                    verifier.finish()?;
                    reader = None;
                    break;
                };
                let record = verifier.read_line(&line)?.record().map_err(anyhow::Error::msg)?;
                if record.is_some() {
                    return Ok(record.map(with_position_gap));
                }
            }
            Ok(None)
        };
        Ok(std::iter::from_fn(move || next().transpose()))
    }
}
