//! A store on a simulated disk, which is stepped by hand.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use webpush_core::id::Position;
use webpush_store::contract::block_on;
use webpush_store::disk::Disk;
use webpush_store::embedded::{EmbeddedStore, Options, Stepper};
use webpush_store::simulation::{self, DiskFaults, Random, SimulatedClock, SimulatedDisk};
use webpush_store::{Applied, Detail, Durability, Op, Quota, Record, Store, StoreError};

/// The result of a commit.
pub(in crate::targets) type CommitResult = Result<Vec<Applied>, StoreError>;

const DIRECTORY: &str = "/store";
const RESERVE_BYTES: u64 = 8000;

/// A machine with one store.
pub(in crate::targets) struct Machine {
    pub(in crate::targets) clock: SimulatedClock,
    disk: SimulatedDisk,
    quota: Quota,
    memtable_bytes: usize,
    random: Random,
    running: Option<(EmbeddedStore, Stepper)>,
}

impl Machine {
    /// Starts a store. The seed determines what a power cut loses.
    pub(in crate::targets) fn new(seed: u64) -> Self {
        Self::with_options(seed, Quota::default(), usize::MAX)
    }

    pub(in crate::targets) fn with_options(seed: u64, quota: Quota, memtable_bytes: usize) -> Self {
        let clock = SimulatedClock::default();
        let disk = SimulatedDisk::new(seed, &clock);
        let random = Random::new(seed);
        let mut machine = Self { clock, disk, quota, memtable_bytes, random, running: None };
        machine.open();
        machine
    }

    fn open(&mut self) {
        let env = simulation::env(&self.clock, self.random.number());
        let disk = Disk::Simulated(self.disk.clone());
        let mut options =
            Options { env, disk, quota: self.quota, reserve_bytes: RESERVE_BYTES, ..Options::default() };
        options.memtable.age = Duration::from_secs(60);
        options.memtable.bytes = self.memtable_bytes;
        let opened = EmbeddedStore::open_stepped(Path::new(DIRECTORY), options)
            .expect("a store opens after any crash");
        assert_eq!(opened.0.recovery().batches_lost, 0, "the engine has lost a batch");
        self.running = Some(opened);
    }

    pub(in crate::targets) fn store(&self) -> &EmbeddedStore {
        &self.running.as_ref().expect("the store is open").0
    }

    pub(in crate::targets) fn stepper(&mut self) -> &mut Stepper {
        &mut self.running.as_mut().expect("the store is open").1
    }

    pub(in crate::targets) const fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    /// Commits operations, and carries them out.
    pub(in crate::targets) fn commit(&mut self, ops: Vec<Op>, durability: Durability) -> CommitResult {
        self.submit(ops, durability).0
    }

    /// Commits operations; returns also how many memtables had been rotated when they were carried out.
    pub(in crate::targets) fn submit(&mut self, ops: Vec<Op>, durability: Durability) -> (CommitResult, u64) {
        let answer: Arc<Mutex<Option<CommitResult>>> = Arc::default();
        let answered = Arc::clone(&answer);
        let done = Box::new(move |result| drop(answered.lock().unwrap().replace(result)));
        self.store().commit(ops, durability, done);
        self.stepper().step();
        let flushes = self.flushes();
        while self.stepper().step() {}
        let result = answer.lock().unwrap().take().expect("a commit has a result");
        (result, flushes)
    }

    /// Returns how many memtables were rotated since the start.
    pub(in crate::targets) fn flushes(&self) -> u64 {
        self.store().statistics().unwrap().flushes
    }

    /// Moves the memtable into the engine, if the disk works.
    pub(in crate::targets) fn flush(&mut self) {
        self.clock.advance(Duration::from_secs(120));
        self.stepper().step();
        self.stepper().run_tasks();
        self.stepper().step();
    }

    /// Cuts the power, and starts again.
    pub(in crate::targets) fn restart(&mut self) {
        self.running = None;
        self.disk.restart();
        self.open();
    }

    /// Stops the store in order, and starts it again.
    pub(in crate::targets) fn reopen(&mut self) {
        self.disk.set_faults(DiskFaults::default());
        if let Some((store, stepper)) = self.running.take() {
            stepper.close();
            drop(store);
        }
        self.open();
    }
}

/// Returns the last position, and all other records.
pub(in crate::targets) fn records(store: &impl Store) -> (Position, Vec<Record>) {
    let mut records = block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().map(Result::unwrap);
    match records.next() {
        Some(Record::Position(position)) => (position, records.collect()),
        other => panic!("a snapshot begins with a position, not {other:?}"),
    }
}
