//! Group commit by one thread without our store, in a plain file and in the engine.
//!
//! No store that survives a crash is faster than the plain file.

use super::{LoopArgs, drive};
use crate::figures::Figures;
use crate::target::directory_in;
use anyhow::Context as _;
use fjall::{Database, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use std::fs::File;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, Sender, sync_channel};
use std::thread;

/// Bytes of a stored message of 200 bytes with its keys and index rows.
const RECORD_BYTES: usize = 320;
/// The rows of a message: entry, deadline, accounting; keys and values are as long as in our store.
const ROWS: [(&str, usize, usize); 3] = [("entries", 24, 300), ("deadlines", 32, 21), ("ledgers", 16, 38)];
/// Maximum number of records in one sync.
const GROUP: usize = 1024;

/// One record, and the sender to notify when it is durable.
type Record = (Vec<u8>, Sender<()>);

/// Measures a plain file.
///
/// # Errors
/// If the disk fails.
pub fn file(args: &LoopArgs) -> anyhow::Result<Figures> {
    let directory = directory_in(args.directory.as_deref())?;
    let mut file = File::create(directory.path().join("log"))?;
    let mut bytes = Vec::new();
    grouped(args, move |group| {
        bytes.clear();
        group.iter().for_each(|(record, _)| bytes.extend_from_slice(record));
        file.write_all(&bytes)?;
        Ok(file.sync_data()?)
    })
}

/// Measures the engine, with the rows that our store keeps for a message.
///
/// # Errors
/// If the disk fails.
pub fn engine(args: &LoopArgs) -> anyhow::Result<Figures> {
    let directory = directory_in(args.directory.as_deref())?;
    let database = Database::builder(directory.path().join("engine")).open()?;
    let keyspace = |(name, ..): (&str, usize, usize)| database.keyspace(name, KeyspaceCreateOptions::default);
    let keyspaces = ROWS.map(keyspace).into_iter().collect::<Result<Vec<_>, _>>()?;
    let figures = grouped(args, move |group| {
        let batch = OwnedWriteBatch::with_capacity(database.clone(), group.len() * ROWS.len());
        let mut batch = batch.durability(Some(PersistMode::SyncData));
        for (record, _) in group {
            for ((_, key, value), keyspace) in ROWS.iter().zip(&keyspaces) {
                batch.insert(keyspace, &record[..*key], &record[..*value]);
            }
        }
        Ok(batch.commit()?)
    });
    drop(directory);
    figures
}

fn grouped(
    args: &LoopArgs,
    write: impl FnMut(&[Record]) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Figures> {
    let (jobs, queue) = sync_channel(GROUP);
    let writer = thread::Builder::new().name("bare-writer".to_owned());
    let writer = writer.spawn(move || write_all(&queue, write))?;
    let figures = drive(args, |number, done| {
        let mut record = vec![0x5a; RECORD_BYTES];
        // Keys of many inboxes, in no order.
        record[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        jobs.send((record, done)).context("the disk has failed")
    });
    drop(jobs);
    writer.join().ok().context("the disk has failed")??;
    figures
}

fn write_all(
    queue: &Receiver<Record>,
    mut write: impl FnMut(&[Record]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    while let Ok(first) = queue.recv() {
        let group: Vec<_> = std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)).collect();
        write(&group)?;
        // At the end nobody may be waiting.
        group.iter().for_each(|(_, done)| done.send(()).unwrap_or_default());
    }
    Ok(())
}
