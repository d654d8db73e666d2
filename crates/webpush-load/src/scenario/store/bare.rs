//! A file without a store: one thread appends what waits and syncs it. No store that survives a crash is faster.

use super::{LoopArgs, drive};
use crate::figures::Figures;
use crate::target::folder_in;
use anyhow::Context as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, Sender, sync_channel};
use std::thread;

/// What a stored message of 200 bytes takes, with its keys and index rows.
const RECORD_BYTES: usize = 320;
/// Records of one sync at most.
const GROUP: usize = 1024;

/// Measures.
///
/// # Errors
/// When the disk fails.
pub fn run(args: &LoopArgs) -> anyhow::Result<Figures> {
    let folder = folder_in(args.folder.as_deref())?;
    let file = File::create(folder.path().join("log"))?;
    let (jobs, queue) = sync_channel(GROUP);
    let writer = thread::Builder::new().name("bare-writer".to_owned()).spawn(move || write(file, &queue))?;
    let figures = drive(args, |number, done| {
        let mut record = vec![0x5a; RECORD_BYTES];
        record[..8].copy_from_slice(&number.to_le_bytes());
        jobs.send((record, done)).context("the disk has failed")
    });
    drop(jobs);
    writer.join().ok().context("the disk has failed")??;
    figures
}

fn write(mut file: File, queue: &Receiver<(Vec<u8>, Sender<()>)>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while let Ok(first) = queue.recv() {
        let group: Vec<_> = std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)).collect();
        bytes.clear();
        group.iter().for_each(|(record, _)| bytes.extend_from_slice(record));
        file.write_all(&bytes)?;
        file.sync_data()?;
        // Nobody may wait any more at the end.
        group.iter().for_each(|(_, done)| done.send(()).unwrap_or_default());
    }
    Ok(())
}
