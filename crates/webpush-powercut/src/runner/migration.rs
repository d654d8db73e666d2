//! Power cuts while a directory of an older format is migrated.

use super::phase::Phase;
use super::program::{Program, Server, StartResult};
use crate::disk::Disk;
use crate::image::{CutRules, Image, NameOrder};
use crate::mount::Mount;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use webpush_store::simulation::Random;

/// A store of format 2.
const ARCHIVE: &[u8] = include_bytes!("../../../webpush-store/tests/format-2/directory.tar.gz");
const CAPACITY: u64 = 4 << 30;
/// Most cuts before the migration may finish.
const CUTS: u64 = 3;
/// Name of the data directory, below the mount.
const DATA: &str = "data";

/// Cuts the power while a server starts on the older store, and compares backups.
///
/// # Errors
/// Fails if a start fails, or something is missing.
pub(super) fn run(program: &Program, random: &mut Random) -> anyhow::Result<()> {
    let old =
        on(program, Image::new(CAPACITY, NameOrder::Journal), random, CutRules::LOSE_NOTHING, prepare)?.0;
    let (_, expected) = on(program, old.clone(), random, CutRules::LOSE_NOTHING, read)?;
    if expected.len() < 5 {
        bail!("the old store has only {} messages", expected.len());
    }
    let mut image = old;
    for _ in 0..=random.below(CUTS) {
        image.set_order(if random.one_in(2) { NameOrder::Journal } else { NameOrder::Independent });
        let trigger = Phase::Migration.trigger(random);
        let rules = CutRules::random(random);
        image = on(program, image, random, rules, |program, disk, root| {
            disk.arm(trigger);
            match program.start(&root.join(DATA), &[], disk)? {
                StartResult::Ready(server) => server.kill(disk).map(drop),
                StartResult::Cut { .. } => Ok(()),
                StartResult::Ended { log } => bail!("the server did not open: {log}"),
            }
        })?
        .0;
    }
    let (_, found) = on(program, image, random, CutRules::LOSE_NOTHING, read)?;
    if found != expected {
        bail!("{} of {} messages and receipts are left, or others", found.len(), expected.len());
    }
    Ok(())
}

/// Mounts an image for `body`; returns the image that survives.
fn on<T>(
    program: &Program,
    image: Image,
    random: &mut Random,
    rules: CutRules,
    body: impl FnOnce(&Program, &Disk, &Path) -> anyhow::Result<T>,
) -> anyhow::Result<(Image, T)> {
    let disk = Arc::new(Disk::new(image, Random::new(random.number())));
    let root = program.directory.join("mount");
    let mount = Mount::new(Arc::clone(&disk), &root)?;
    let result = body(program, &disk, &root);
    disk.switch_off();
    mount.unmount()?;
    Ok((disk.survivor(rules).0, result?))
}

fn started(program: &Program, disk: &Disk, data: &Path) -> anyhow::Result<Server> {
    match program.start(data, &[], disk)? {
        StartResult::Ready(server) => Ok(server),
        StartResult::Cut { log } | StartResult::Ended { log } => bail!("the server did not open: {log}"),
    }
}

/// Creates a data directory with keys, and puts the old store into it.
fn prepare(program: &Program, disk: &Disk, root: &Path) -> anyhow::Result<()> {
    let data = root.join(DATA);
    started(program, disk, &data)?.end()?;
    let store = data.join("store");
    fs::remove_dir_all(&store)?;
    fs::create_dir(&store)?;
    let mut command = Command::new("tar");
    command.arg("-xzf").arg("-").arg("-C").arg(&store).arg("--no-same-owner").stdin(Stdio::piped());
    let mut tar = command.spawn().context("cannot run tar")?;
    tar.stdin.take().context("no standard input")?.write_all(ARCHIVE)?;
    if !tar.wait()?.success() {
        bail!("tar failed");
    }
    Ok(())
}

/// Returns the messages and receipts of the store, sorted.
fn read(program: &Program, disk: &Disk, root: &Path) -> anyhow::Result<Vec<String>> {
    let data = root.join(DATA);
    let server = started(program, disk, &data)?;
    let file = program.directory.join("migrated");
    let backup = program.administer(&["backup", &file.display().to_string()], &data, disk)?;
    server.end()?;
    if !backup.is_success() {
        bail!("backup failed: {}", backup.output);
    }
    let content = fs::read_to_string(file)?;
    let is_entry = |line: &&str| line.starts_with("{\"message\"") || line.starts_with("{\"receipt\"");
    let mut entries: Vec<String> = content.lines().filter(is_entry).map(str::to_owned).collect();
    entries.sort();
    Ok(entries)
}
