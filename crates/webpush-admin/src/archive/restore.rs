//! Restores an archive into a new data directory.

use super::line::{Counts, Line};
use super::read::{ArchiveReader, lines};
use super::{ArchiveFile, LINE_BYTES, with_position_gap};
use crate::broadcasts;
use crate::data_dir::{STORE_DIR, create_data_dir};
use crate::sealing_keys;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::mpsc;
use webpush_core::capability::KeyId;
use webpush_core::protocol::autopush::{Broadcast, Versions};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Durability, Op, Record, Store};

/// Operations in one commit.
const BATCH: usize = 1000;

/// Result of a restore.
#[derive(Debug)]
pub struct RestoreSummary {
    /// Counts of the archive.
    pub counts: Counts,
    /// Number of skipped records: duplicates, and those whose inbox or subscription is missing.
    pub skipped: usize,
}

/// Verifies the whole file, then creates the data directory.
///
/// # Errors
/// Fails if the file is invalid, or the directory cannot be written or contains data of a server.
pub fn restore(file: &Path, data_dir: &Path) -> anyhow::Result<RestoreSummary> {
    let failed = || format!("cannot restore {}", file.display());
    for name in [STORE_DIR, sealing_keys::FILE_NAME, sealing_keys::COPY_NAME] {
        if data_dir.join(name).exists() {
            bail!("{} already contains {name}: choose a new directory (--data-dir)", data_dir.display());
        }
    }
    let input = ArchiveFile::open(file).with_context(failed)?;
    let counts = read(&input, |_| Ok(())).with_context(failed)?;
    create_data_dir(data_dir)?;
    let store_dir = data_dir.join(STORE_DIR);
    // Fails if a server has started in this directory since the check.
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&store_dir)
        .with_context(|| format!("cannot create {}", store_dir.display()))?;
    let filled = fill(&input, data_dir, &store_dir).with_context(failed);
    if filled.is_err() {
        // A partial store must not look complete. The first error matters more than one of the cleanup.
        drop(fs::remove_dir_all(&store_dir));
    }
    filled.map(|skipped| RestoreSummary { counts, skipped })
}

fn fill(input: &ArchiveFile, data_dir: &Path, store_dir: &Path) -> anyhow::Result<usize> {
    let store = EmbeddedStore::open(store_dir, Options::default())?;
    let mut skipped = 0;
    let (mut keys, mut versions, mut batch) = (Vec::new(), Versions::new(), Vec::new());
    read(input, |line| {
        match line {
            Line::Key { id, secret } => keys.push((KeyId(id), secret.0)),
            Line::Broadcast { name, version } => {
                let broadcast = Broadcast::new(name, version);
                broadcast.map_err(|error| anyhow::Error::msg(error.to_string()))?.insert_into(&mut versions);
            }
            line => {
                let record = line.record().map_err(anyhow::Error::msg)?;
                batch.extend(record.map(|record| Op::Restore(with_position_gap(record))));
            }
        }
        if batch.len() >= BATCH {
            skipped += commit(&store, std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    skipped += commit(&store, batch)?;
    store.close();
    if !versions.is_empty() {
        broadcasts::write(data_dir, &versions)?;
    }
    // The keys come last: no server starts in a directory that has a store and no keys. Writing them also syncs the names
    // in the data directory, so all of it is durable.
    sealing_keys::write_new(data_dir, &keys)?;
    Ok(skipped)
}

/// Commits operations; returns the number of skipped records.
///
/// The backup of a damaged store can lack the subscriptions that its messages belong to.
fn commit(store: &EmbeddedStore, ops: Vec<Op>) -> anyhow::Result<usize> {
    let is_inbox: Vec<bool> =
        ops.iter().map(|op| matches!(op, Op::Restore(Record::Inbox(_) | Record::Position(_)))).collect();
    let (sender, receiver) = mpsc::channel();
    store.commit(ops, Durability::Durable, Box::new(move |result| drop(sender.send(result))));
    let applied = receiver.recv().context("the store stopped")??;
    let skipped = applied.iter().zip(is_inbox).filter(|(applied, _)| **applied != Applied::Created);
    skipped.map(|(_, is_inbox)| if is_inbox { bail!("an inbox occurs twice") } else { Ok(1) }).sum()
}

/// Passes each line to `each`, and checks that the archive is complete.
pub(super) fn read(
    input: &ArchiveFile,
    mut each: impl FnMut(Line) -> anyhow::Result<()>,
) -> anyhow::Result<Counts> {
    let mut reader = ArchiveReader::default();
    for line in lines(input.read(2 * LINE_BYTES)?) {
        each(reader.read_line(&line?)?)?;
    }
    Ok(reader.finish()?)
}
