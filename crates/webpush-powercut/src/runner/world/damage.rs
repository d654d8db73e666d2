//! Damage that a power cut does not explain: bits that change at rest, and syncs that were not done.

use super::{Life, World};
use crate::runner::history::Promise;
use crate::runner::phase::Phase;
use crate::runner::program::StartResult;
use anyhow::bail;

/// Most bits that change.
const FLIPS: u64 = 4;
/// Attempts to find a byte that is not zero, as most of a preallocated file is.
const ATTEMPTS: usize = 20;
/// Words with which the program reports damage.
const REPORTS: [&str; 5] = ["damage", "lost", "corrupt", "checksum", "repair"];

impl World {
    /// Changes bits of files of the store while the server is off.
    pub(super) fn flip_bits(&mut self, life: &Life) -> anyhow::Result<()> {
        let server = self.start_and_check(life)?;
        server.end()?;
        let (random, data) = (&mut self.random, format!("{}/store", self.data));
        life.disk.edit(|image| {
            let files: Vec<_> =
                image.files().into_iter().filter(|file| file.2 > 0 && file.1.starts_with(&data)).collect();
            for _ in 0..=random.below(FLIPS) {
                let (file, path, length) = &files[random.index(files.len())];
                // A frame that no later one follows is taken for a write that a power cut has torn; see
                // docs/architecture/durability.md.
                if path.extension().is_some_and(|extension| extension == "frames") {
                    continue;
                }
                let found = (0..ATTEMPTS).map(|_| random.below(*length)).find(|offset| {
                    image
                        .read(*file, *offset, 1)
                        .is_ok_and(|bytes| bytes.first().is_some_and(|byte| *byte > 0))
                });
                if let Some(offset) = found {
                    let bit = u32::try_from(random.below(8)).unwrap_or_default();
                    image.flip(*file, offset, bit)?;
                    if self.is_verbose {
                        println!("seed {}: flipped bit {bit} at {offset} of {}", self.seed, path.display());
                    }
                }
            }
            Ok::<(), crate::image::Failure>(())
        })?;
        Ok(())
    }

    /// Starts the server on what is left, after a repair if it does not open.
    ///
    /// It may have lost messages, but must have reported it, and must deliver none with another body.
    pub(super) fn survive_damage(&mut self, life: &Life) -> anyhow::Result<()> {
        let mut reports = String::new();
        let server = match self.start(life, &[])? {
            StartResult::Ready(server) => server,
            StartResult::Cut { log } | StartResult::Ended { log } => {
                if log.trim().is_empty() {
                    bail!("the server ended without a word");
                }
                reports.push_str(&log);
                let data = life.root.join(&self.data).display().to_string();
                let repair = self.program.run(&["repair", "--data-dir", &data], &life.disk)?;
                reports.push_str(&repair.output);
                match self.start(life, &[])? {
                    StartResult::Ready(server) => server,
                    // Without its keys, for example, a server cannot start; a backup helps then.
                    StartResult::Cut { log } | StartResult::Ended { log } => {
                        return if log.trim().is_empty() {
                            bail!("the server ended without a word")
                        } else {
                            Ok(())
                        };
                    }
                }
            }
        };
        let missing = self.clients.check_damaged(server.port)?;
        reports.push_str(&server.kill(&life.disk)?);
        self.record(self.phase, &reports);
        let is_reported = REPORTS.iter().any(|word| reports.contains(word));
        if self.phase == Phase::BitFlips && missing > 0 && !is_reported {
            let text = format!("{missing} messages after damage that was not reported");
            self.figures.count_violation(self.phase, Promise::Lost, text);
            println!("{reports}");
        }
        Ok(())
    }
}
