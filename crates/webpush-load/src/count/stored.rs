//! A message in the store: its encodings, and its life.

use super::samples;
use crate::target::directory_in;
use anyhow::{Context as _, ensure};
use std::hint::black_box;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use webpush_core::message::Outcome;
use webpush_core::subscription::Protocol;
use webpush_store::embedded::{Codecs, EmbeddedStore, MemtableBounds, Options};
use webpush_store::{Applied, Durability, Op, Store, StoreError};

/// Encodes the row of a message and decodes it.
///
/// # Errors
/// If they differ.
pub fn entry_row(times: u32) -> anyhow::Result<()> {
    let codecs = Codecs::new(samples::message(1));
    for _ in 0..times {
        black_box(codecs.entry().context("cannot read the row")?);
    }
    Ok(())
}

/// Encodes the frame of a message and decodes it.
///
/// # Errors
/// If they differ.
pub fn log_frame(times: u32) -> anyhow::Result<()> {
    let mut codecs = Codecs::new(samples::message(1));
    for _ in 0..times {
        ensure!(codecs.frame() == Some(Codecs::ROWS), "cannot read the frame");
    }
    Ok(())
}

/// Appends a message durably and settles it lazily, waiting for each.
///
/// # Errors
/// If the disk fails.
pub fn store(times: u32) -> anyhow::Result<()> {
    let directory = directory_in(None)?;
    let store = open(directory.path())?;
    let (answers, answered) = sync_channel(1);
    commit(&store, seed(), Durability::Durable, &answers, &answered)?;
    for number in 1..=times {
        let append = vec![Op::Append(samples::draft(number))];
        let appended = commit(&store, append, Durability::Durable, &answers, &answered)?;
        let Some(Applied::Appended(appended)) = appended.into_iter().next() else {
            anyhow::bail!("message {number} was not stored");
        };
        let settle = vec![Op::Settle(appended.message.entry_ref(), Outcome::Delivered)];
        commit(&store, settle, Durability::Lazy, &answers, &answered)?;
    }
    // The cost of closing varies, as threads end.
    std::mem::forget(store);
    Ok(())
}

/// Opens a new store that flushes nothing to the engine during a count, as that depends on the clock.
pub(super) fn open(directory: &Path) -> anyhow::Result<EmbeddedStore> {
    let memtable = MemtableBounds { age: Duration::from_secs(3600), ..MemtableBounds::default() };
    Ok(EmbeddedStore::open(directory, Options { memtable, ..Options::default() })?)
}

/// Creates the agent and its subscription.
fn seed() -> Vec<Op> {
    vec![Op::CreateInbox(samples::inbox()), Op::Subscribe(samples::subscription(Protocol::Rfc8030))]
}

type Answer = Result<Vec<Applied>, StoreError>;

/// Commits and waits for the result.
fn commit(
    store: &EmbeddedStore,
    ops: Vec<Op>,
    durability: Durability,
    answers: &SyncSender<Answer>,
    answered: &Receiver<Answer>,
) -> anyhow::Result<Vec<Applied>> {
    let answers = answers.clone();
    store.commit(ops, durability, Box::new(move |answer| drop(answers.send(answer))));
    Ok(answered.recv().context("the store does not answer")??)
}
