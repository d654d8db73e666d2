//! A world: one data directory and its clients, through several lives of the server.

mod commands;
mod damage;
mod faults;

use super::clients::{Clients, Workload};
use super::phase::Phase;
use super::program::{Program, Server, StartResult};
use super::{Figures, RunOptions, migration};
use crate::disk::Disk;
use crate::image::{CutRules, Image, NameOrder};
use crate::mount::Mount;
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use webpush_store::simulation::Random;

/// Power cuts in a world without a fixed phase.
const CUTS: u64 = 6;
/// Far more than a world fills, unless its disk is to be full.
pub(super) const CAPACITY: u64 = 4 << 30;
/// How often the end of the clients' work is looked for.
const POLL: Duration = Duration::from_millis(20);
/// Most messages of each sender in a life.
const MESSAGES: u64 = 120;

/// A world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) phase: Phase,
    /// The phase of the last cut.
    cut_in: Phase,
    pub(super) figures: Figures,
    program: Program,
    random: Random,
    image: Image,
    clients: Clients,
    /// The data directory, below the mount.
    data: String,
    /// Data directories and backups so far.
    serial: u32,
    /// A backup that succeeded, below the mount.
    backup: Option<String>,
    /// A restore that the power cut may have interrupted.
    restore: Option<commands::Restore>,
    only: Option<Phase>,
    is_verbose: bool,
}

/// A mounted disk, and the directory it is mounted at.
pub(super) struct Life {
    pub(super) disk: Arc<Disk>,
    pub(super) mount: Mount,
    pub(super) root: PathBuf,
}

impl World {
    pub(super) fn new(seed: u64, program: Program, options: &RunOptions) -> anyhow::Result<Self> {
        fs::create_dir(program.directory.join("mount")).context("no directory for the mount")?;
        Ok(Self {
            seed,
            phase: options.phase.unwrap_or(Phase::FirstStart),
            cut_in: Phase::FirstStart,
            figures: Figures::default(),
            program,
            random: Random::new(seed),
            image: Image::new(CAPACITY, NameOrder::Journal),
            clients: Clients::default(),
            data: "data".to_owned(),
            serial: 0,
            backup: None,
            restore: None,
            only: options.phase,
            is_verbose: options.verbose,
        })
    }

    /// The command that runs this world again.
    pub(super) fn command(&self, options: &RunOptions) -> String {
        let phase = options.phase.map(|phase| format!(" --phase {phase}")).unwrap_or_default();
        format!(
            "webpush-powercut run --server {} --cuts 1 --jobs 1 --seed {}{phase}",
            options.server.display(),
            self.seed
        )
    }

    /// Runs all lives. Broken promises are in the figures.
    pub(super) fn run(&mut self) -> anyhow::Result<()> {
        // A world has only one first start.
        let cuts = if self.only == Some(Phase::FirstStart) { 1 } else { CUTS };
        for number in 0..cuts {
            self.phase = self.next_phase(number);
            let begun = Instant::now();
            let before = self.clients.history().counts();
            if self.phase == Phase::Migration {
                migration::run(&self.program, &mut self.random)?;
            } else {
                self.live()?;
            }
            let after = self.clients.history().counts();
            self.cut_in = self.phase;
            self.figures.count_life(self.phase, after.0 - before.0, after.1 - before.1, begun.elapsed());
            if self.figures.has_violations() {
                return Ok(());
            }
            if self.phase.breaks_promises() {
                return self.look_at_damage();
            }
        }
        if self.only == Some(Phase::Migration) {
            return Ok(());
        }
        // The last cut is checked as well.
        let life = self.mount()?;
        let checked = self.start_and_check(&life).and_then(|server| self.stop(server, &life));
        let finished = self.finish(life, CutRules::LOSE_NOTHING);
        checked.and(finished)
    }

    /// Starts the server once more after damage: it must neither hang nor panic.
    fn look_at_damage(&mut self) -> anyhow::Result<()> {
        let life = self.mount()?;
        let survived = self.survive_damage(&life);
        let finished = self.finish(life, CutRules::LOSE_NOTHING);
        survived.and(finished)
    }

    fn next_phase(&mut self, number: u64) -> Phase {
        let is_last = number + 1 == CUTS;
        match self.only {
            // They need a store with messages.
            Some(phase) if phase.breaks_promises() && number == 0 => Phase::Writing,
            Some(phase) => phase,
            None if number == 0 => Phase::FirstStart,
            None if is_last => match self.random.below(4) {
                0 => Phase::BitFlips,
                1 => Phase::LyingSyncs,
                2 => Phase::Migration,
                _ => Phase::random(&mut self.random),
            },
            None => Phase::random(&mut self.random),
        }
    }

    /// One life: mount, act, cut, unmount.
    fn live(&mut self) -> anyhow::Result<()> {
        let order = if self.random.one_in(2) { NameOrder::Journal } else { NameOrder::Independent };
        self.image.set_order(order);
        let rules = CutRules::random(&mut self.random);
        let life = self.mount()?;
        let acted = self.act(&life);
        let finished = self.finish(life, rules);
        // The first error says more.
        acted.and(finished)
    }

    pub(super) fn mount(&mut self) -> anyhow::Result<Life> {
        let image = std::mem::replace(&mut self.image, Image::new(0, NameOrder::Journal));
        let disk = Arc::new(Disk::new(image, Random::new(self.random.number())));
        let root = self.program.directory.join("mount");
        let mount = Mount::new(Arc::clone(&disk), &root)?;
        Ok(Life { disk, mount, root })
    }

    /// Ends a life with the image that survives.
    fn finish(&mut self, life: Life, rules: CutRules) -> anyhow::Result<()> {
        life.disk.switch_off();
        life.mount.unmount().context("cannot unmount the disk")?;
        let (image, cut) = life.disk.survivor(rules);
        self.image = image;
        if self.is_verbose {
            let at = cut.map_or_else(String::new, |cut| match cut.class {
                Some(class) => format!("at call {}, {class:?} {}", cut.call, cut.path),
                None => format!("after call {}", cut.call),
            });
            println!("seed {}, {}: cut {at}; {rules:?}", self.seed, self.phase);
        }
        Ok(())
    }

    fn act(&mut self, life: &Life) -> anyhow::Result<()> {
        self.finish_restore(life)?;
        match self.phase {
            Phase::FirstStart => self.cut_in_start(life),
            _ if !self.clients.are_set_up() => self.cut_in_service(life),
            Phase::Recovery => self.cut_in_start(life),
            Phase::Restore => self.cut_in_restore(life),
            Phase::Repair => self.cut_in_repair(life),
            Phase::BitFlips => self.flip_bits(life),
            Phase::LyingSyncs => {
                life.disk.edit(Image::set_lying);
                self.cut_in_service(life)
            }
            Phase::IoErrors | Phase::FullDisk => self.fail(life),
            _ => self.cut_in_service(life),
        }
    }

    fn cut_in_start(&mut self, life: &Life) -> anyhow::Result<()> {
        life.disk.arm(self.phase.trigger(&mut self.random));
        match self.start(life, &[])? {
            StartResult::Ready(server) => self.serve(server, life),
            StartResult::Cut { .. } => Ok(()),
            StartResult::Ended { log } => {
                self.figures.count_refusal(self.cut_in, &log);
                Ok(())
            }
        }
    }

    fn cut_in_service(&mut self, life: &Life) -> anyhow::Result<()> {
        let server = self.start_and_check(life)?;
        if self.figures.has_violations() {
            return self.stop(server, life);
        }
        if self.phase == Phase::SlowDisk {
            life.disk.set_faults(faults::slow(&mut self.random));
        }
        life.disk.arm(self.phase.trigger(&mut self.random));
        self.serve(server, life)
    }

    /// Lets clients work, with a command beside them, until the power is cut.
    fn serve(&mut self, server: Server, life: &Life) -> anyhow::Result<()> {
        let work = self.workload(&server, life);
        let is_done = AtomicBool::new(false);
        let (log, worked) = std::thread::scope(|scope| {
            // Kills the server when the disk is frozen; clients wait for responses until then.
            let killer = scope.spawn(|| {
                loop {
                    if is_done.load(Ordering::Relaxed) || life.disk.wait_for_cut(POLL) {
                        break;
                    }
                }
                server.kill(&life.disk)
            });
            let worked = self.work(work, life);
            is_done.store(true, Ordering::Relaxed);
            (killer.join().unwrap_or_else(|_| bail!("the runner panicked")), worked)
        });
        self.record(self.phase, &log?);
        self.backup = worked?;
        self.serial += 1;
        Ok(())
    }

    /// Returns the name of a backup that was made.
    fn work(&mut self, work: Workload<'_>, life: &Life) -> anyhow::Result<Option<String>> {
        if !self.clients.are_set_up() {
            self.clients.set_up(work)?;
        }
        if !self.clients.are_set_up() {
            return Ok(None);
        }
        let (program, data) = (&self.program, life.root.join(&self.data));
        let (phase, serial) = (self.phase, self.serial);
        std::thread::scope(|scope| {
            let command = scope.spawn(move || commands::beside(phase, program, life, &data, serial));
            let worked = self.clients.work(work);
            let command = command.join().unwrap_or_else(|_| bail!("the runner panicked"));
            worked.and(command)
        })
    }

    pub(super) fn workload<'a>(&mut self, server: &Server, life: &'a Life) -> Workload<'a> {
        Workload {
            port: server.port,
            disk: &life.disk,
            messages: 1 + self.random.below(MESSAGES),
            seed: self.random.number(),
            may_fail: false,
        }
    }

    pub(super) fn start(&self, life: &Life, more: &[&str]) -> anyhow::Result<StartResult> {
        self.program.start(&life.root.join(&self.data), more, &life.disk)
    }

    /// Starts the server on a disk that works, and checks everything. Broken promises are in the figures.
    pub(super) fn start_and_check(&mut self, life: &Life) -> anyhow::Result<Server> {
        commands::check_backups(life, self.backup.take().as_deref())?;
        self.finish_restore(life)?;
        let server = match self.start(life, &[])? {
            StartResult::Ready(server) => server,
            StartResult::Ended { log } | StartResult::Cut { log } => {
                self.figures.count_refusal(self.cut_in, &log);
                bail!("no server to go on with");
            }
        };
        self.clients.check(server.port)?;
        self.record(self.cut_in, &server.log());
        Ok(server)
    }

    /// Records broken promises that are due to a phase. `log` is that of the server.
    pub(super) fn record(&mut self, phase: Phase, log: &str) {
        let violations = std::mem::take(&mut self.clients.history().violations);
        if !violations.is_empty() {
            println!("{log}");
        }
        for (promise, text) in violations {
            self.figures.count_violation(phase, promise, text);
        }
    }

    pub(super) fn stop(&mut self, server: Server, life: &Life) -> anyhow::Result<()> {
        let log = server.kill(&life.disk)?;
        self.record(self.phase, &log);
        Ok(())
    }

    /// Copies the files of the image to a directory.
    pub(super) fn keep(&self, directory: &Path) -> anyhow::Result<()> {
        for (file, path, length) in self.image.files() {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap_or(directory))?;
            fs::write(path, self.image.read(file, 0, usize::try_from(length)?)?)?;
        }
        println!("the files are in {}", directory.display());
        Ok(())
    }
}
