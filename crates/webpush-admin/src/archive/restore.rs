//! Putting a whole file into a new data folder, while nobody serves from it.

use super::line::{Counts, Line};
use super::read::{Reader, lines};
use super::{LINE_BYTES, with_position_gap};
use crate::broadcasts;
use crate::data_dir::{STORE_DIR, create_data_dir};
use crate::keys_file;
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::mpsc;
use webpush_core::capability::KeyId;
use webpush_core::protocol::autopush::{Broadcast, Versions};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Durability, Op, Record, Store};

/// Operations in one commit.
const BATCH: usize = 1000;

/// What was put into a folder.
#[derive(Debug)]
pub struct RestoreSummary {
    /// What is in the file.
    pub counts: Counts,
    /// What of it belongs to nothing, or was there twice.
    pub skipped: usize,
}

/// Reads a file to its end before anything is written, then makes the folder that it is of.
///
/// # Errors
/// When the file is not whole, or the folder has something already, or can't be written.
pub fn restore(file: &Path, folder: &Path) -> anyhow::Result<RestoreSummary> {
    let shown = file.display();
    let cannot = || format!("{shown} can't be restored");
    for name in [STORE_DIR, keys_file::FILE_NAME] {
        if folder.join(name).exists() {
            bail!(
                "{} has a {name} already, and nothing is written over it: name a folder that is not there yet",
                folder.display()
            );
        }
    }
    let found = read(file, |_| Ok(())).with_context(cannot)?;
    create_data_dir(folder)?;
    let store_folder = folder.join(STORE_DIR);
    // Whoever has made one since is a service that runs.
    let mut made = fs::DirBuilder::new();
    made.mode(0o700)
        .create(&store_folder)
        .with_context(|| format!("{} can't be made, so nothing was restored", store_folder.display()))?;
    let filled = fill(file, folder, &store_folder).with_context(cannot);
    if filled.is_err() {
        // Half of it must not be taken for the whole. That it can't be removed is less than why it should be.
        drop(fs::remove_dir_all(&store_folder));
    }
    filled.map(|skipped| RestoreSummary { counts: found, skipped })
}

fn fill(file: &Path, folder: &Path, store_folder: &Path) -> anyhow::Result<usize> {
    let store = EmbeddedStore::open(store_folder, Options::default())?;
    let mut skipped = 0;
    let (mut keys, mut set, mut batch) = (Vec::new(), Versions::new(), Vec::new());
    read(file, |line| {
        match line {
            Line::Key { id, secret } => keys.push((KeyId(id), secret.0)),
            Line::Broadcast { name, version } => {
                let broadcast = Broadcast::new(name, version);
                broadcast.map_err(|unfit| anyhow::Error::msg(unfit.to_string()))?.insert_into(&mut set);
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
    if !set.is_empty() {
        broadcasts::write(folder, &set)?;
    }
    // Last: a folder with a store and no keys is one that nobody serves from.
    keys_file::write_new(folder, &keys)?;
    Ok(skipped)
}

/// How many were left out: of a store that was damaged, what belongs to a subscription that could not be read.
fn commit(store: &EmbeddedStore, ops: Vec<Op>) -> anyhow::Result<usize> {
    let is_inbox: Vec<bool> =
        ops.iter().map(|op| matches!(op, Op::Restore(Record::Inbox(_) | Record::Position(_)))).collect();
    let (answer, answered) = mpsc::channel();
    store.commit(ops, Durability::Durable, Box::new(move |result| drop(answer.send(result))));
    let applied = answered.recv().context("the store ended")??;
    let skipped = applied.iter().zip(is_inbox).filter(|(applied, _)| **applied != Applied::Created);
    skipped.map(|(_, is_inbox)| if is_inbox { bail!("it holds an inbox twice") } else { Ok(1) }).sum()
}

/// Reads all of a file, and says whether it is whole.
fn read(file: &Path, mut each: impl FnMut(Line) -> anyhow::Result<()>) -> anyhow::Result<Counts> {
    let mut reader = Reader::default();
    let file = BufReader::with_capacity(2 * LINE_BYTES, File::open(file)?);
    for line in lines(file) {
        each(reader.take(&line?)?)?;
    }
    Ok(reader.finish()?)
}
