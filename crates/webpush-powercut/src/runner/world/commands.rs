//! Commands of the program while the power is cut.

use super::{Life, World};
use crate::runner::phase::Phase;
use crate::runner::program::{Program, StartResult};
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};

const BACKUP_PREFIX: &str = "backup-";

/// A restore into the data directory.
#[derive(Debug)]
pub(super) struct Restore {
    file: PathBuf,
    /// The command succeeded before the power was cut.
    is_complete: bool,
}

/// Runs the command of a phase beside the clients; returns the name of a backup that was made.
pub(super) fn beside(
    phase: Phase,
    program: &Program,
    life: &Life,
    data: &Path,
    serial: u32,
) -> anyhow::Result<Option<String>> {
    let name = format!("{BACKUP_PREFIX}{serial}");
    let file = life.root.join(&name).display().to_string();
    let arguments: &[&str] = match phase {
        Phase::Backup => &["backup", &file],
        Phase::KeyRotation => &["sealing-keys", "rotate"],
        _ => return Ok(None),
    };
    let result = program.administer(arguments, data, &life.disk)?;
    // The server may be killed before the command is.
    if !result.is_success() && result.status.is_some() && !life.disk.is_cut() {
        bail!("{} failed: {}", arguments.join(" "), result.output);
    }
    Ok((phase == Phase::Backup && result.is_success()).then_some(name))
}

/// Checks that each backup is complete, and that one that succeeded is there.
pub(super) fn check_backups(life: &Life, expected: Option<&str>) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for file in fs::read_dir(&life.root)? {
        let file = file?;
        let name = file.file_name().display().to_string();
        if name.starts_with(BACKUP_PREFIX) {
            let content = fs::read_to_string(file.path()).with_context(|| format!("{name} is damaged"))?;
            if !content.lines().last().is_some_and(|line| line.starts_with("{\"check\"")) {
                bail!("{name} is not complete, and was not removed");
            }
            names.push(name);
        }
    }
    match expected {
        Some(expected) if !names.iter().any(|name| name == expected) => {
            bail!("{expected} is gone, although the command backup had succeeded")
        }
        _ => Ok(()),
    }
}

impl World {
    /// Backs up to a disk that works, and restores to a new data directory until the power is cut.
    pub(super) fn cut_in_restore(&mut self, life: &Life) -> anyhow::Result<()> {
        let server = self.start_and_check(life)?;
        if self.figures.has_violations() {
            return self.stop(server, life);
        }
        self.serial += 1;
        let file = self.program.directory.join(format!("backup-{}", self.serial));
        let data = life.root.join(&self.data);
        let backup = self.program.administer(&["backup", &file.display().to_string()], &data, &life.disk)?;
        server.end()?;
        if !backup.is_success() {
            bail!("backup failed: {}", backup.output);
        }
        fs::remove_dir_all(&data).context("cannot remove the old data directory")?;
        self.data = format!("data-{}", self.serial);
        life.disk.arm(self.phase.trigger(&mut self.random));
        let is_complete = self.restore(life, &file)?;
        self.restore = Some(Restore { file, is_complete });
        Ok(())
    }

    /// Returns true if the command succeeded, and false if the power was cut.
    fn restore(&self, life: &Life, file: &Path) -> anyhow::Result<bool> {
        let data = life.root.join(&self.data).display().to_string();
        let restore =
            self.program.run(&["restore", "--data-dir", &data, &file.display().to_string()], &life.disk)?;
        if !restore.is_success() && restore.status.is_some() {
            bail!("restore failed: {}", restore.output);
        }
        Ok(restore.is_success())
    }

    /// Repeats a restore that a power cut has interrupted, as an operator does.
    pub(super) fn finish_restore(&mut self, life: &Life) -> anyhow::Result<()> {
        let Some(Restore { file, is_complete }) = self.restore.take() else { return Ok(()) };
        if is_complete {
            return Ok(());
        }
        let is_known = match self.start(life, &[])? {
            StartResult::Ready(server) => {
                let is_known = self.clients.is_known(server.port)?;
                server.end()?;
                is_known
            }
            StartResult::Ended { .. } | StartResult::Cut { .. } => false,
        };
        // A store that knows its agents must have all that the backup has, which the caller checks.
        if !is_known {
            let data = life.root.join(&self.data);
            if data.exists() {
                fs::remove_dir_all(&data).context("cannot remove the unfinished data directory")?;
            }
            self.restore(life, &file)?;
        }
        Ok(())
    }

    /// Repairs a store without damage until the power is cut.
    pub(super) fn cut_in_repair(&mut self, life: &Life) -> anyhow::Result<()> {
        life.disk.arm(self.phase.trigger(&mut self.random));
        let data = life.root.join(&self.data).display().to_string();
        let repair = self.program.run(&["repair", "--data-dir", &data], &life.disk)?;
        if !repair.is_success() && repair.status.is_some() {
            bail!("repair failed: {}", repair.output);
        }
        Ok(())
    }
}
