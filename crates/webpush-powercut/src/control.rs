//! A disk for programs that somebody else starts and ends, controlled by lines on standard input.
//!
//! The controller ends all programs that use the disk, then writes a line and waits for the same line in return:
//!
//! | Line | Effect |
//! |---|---|
//! | `cut` | The power is cut: all changes that were not synced are lost. |
//! | `cut some` | A random part of them survives, torn and out of order. |
//!
//! At the end of the input the disk is unmounted.

use crate::disk::Disk;
use crate::image::{CutRules, Image, NameOrder};
use crate::mount::{Mount, Owner};
use anyhow::{Context as _, bail};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use webpush_store::simulation::Random;

/// A disk to mount.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// An empty directory to mount it at.
    pub at: PathBuf,
    /// The owner of all files.
    pub owner: Owner,
    /// In bytes.
    pub capacity: u64,
    /// Of everything random.
    pub seed: u64,
}

/// Mounts a disk, writes `mounted`, and cuts its power for each line, until the input ends.
///
/// # Errors
/// Fails if the disk cannot be mounted or is in use at a cut, or if a line is no command.
pub fn run(options: &MountOptions, input: impl BufRead, mut output: impl Write) -> anyhow::Result<()> {
    let mut random = Random::new(options.seed);
    let mut image = Image::new(options.capacity, NameOrder::Journal);
    let mut lines = input.lines();
    let mut done = "mounted".to_owned();
    loop {
        let disk = Arc::new(Disk::new(image, Random::new(random.number())));
        let mount = Mount::for_owner(Arc::clone(&disk), &options.at, options.owner)?;
        writeln!(output, "{done}")?;
        output.flush()?;
        let line = lines.next().transpose()?;
        let rules = match line.as_deref() {
            Some("cut") => Some(CutRules::LOSE_ALL),
            Some("cut some") => Some(CutRules::random(&mut random)),
            None => None,
            Some(other) => bail!("{other:?} is no command: write \"cut\" or \"cut some\""),
        };
        disk.switch_off();
        mount.unmount().context("cannot unmount the disk: end the programs that use it first")?;
        let Some(rules) = rules else { return Ok(()) };
        image = disk.survivor(rules).0;
        done = line.unwrap_or_default();
    }
}
