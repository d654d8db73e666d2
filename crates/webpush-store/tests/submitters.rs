//! Commits on the threads that submit them.

#![allow(clippy::unwrap_used, reason = "what fails must stop the test")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::env::Env;
use webpush_core::id::InboxId;
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::time::Timestamp;
use webpush_store::contract::block_on;
use webpush_store::disk::Disk;
use webpush_store::embedded::{
    EmbeddedStore, MemtableBounds, Options, Stepper, SubmitterCommits, SubmitterWaits,
};
use webpush_store::simulation::{self, DiskFaults, SimulatedClock, SimulatedDisk};
use webpush_store::{Applied, Durability, Op, Store, StoreError};

/// Counts the commits on their submitters.
#[derive(Default)]
struct Waits(AtomicUsize);

impl SubmitterWaits for Waits {
    fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {}
}

/// A store that is stepped, and on which syncs take no time.
struct Machine {
    clock: SimulatedClock,
    env: Env,
    disk: SimulatedDisk,
    waits: Arc<Waits>,
    store: EmbeddedStore,
    stepper: Stepper,
}

impl Machine {
    /// Starts a store that has had a commit on the writer's thread, so that it knows the time of a sync.
    fn start() -> Self {
        let (clock, waits) = (SimulatedClock::default(), Arc::<Waits>::default());
        let disk = SimulatedDisk::new(1, &clock);
        let env = simulation::env(&clock, 1);
        let options = options(&waits, env.clone(), Disk::Simulated(disk.clone()));
        let (store, stepper) = EmbeddedStore::open_stepped(Path::new("/store"), options).unwrap();
        let mut machine = Self { clock, env, disk, waits, store, stepper };
        let first = machine.commit(create(0));
        assert!(first.try_recv().is_err(), "the time of a sync is unknown");
        machine.step();
        assert!(first.try_recv().unwrap().is_ok());
        machine
    }

    fn commit(&self, op: Op) -> mpsc::Receiver<Result<Vec<Applied>, StoreError>> {
        let (sender, receiver) = mpsc::channel();
        self.store.commit(
            vec![op],
            Durability::Durable,
            Box::new(move |result| sender.send(result).unwrap()),
        );
        receiver
    }

    fn step(&mut self) {
        while self.stepper.step() {}
    }

    fn waits(&self) -> usize {
        self.waits.0.load(Ordering::Relaxed)
    }

    fn has(&self, number: u8) -> bool {
        block_on(self.store.inbox(id(number))).unwrap().is_some()
    }
}

fn options(waits: &Arc<Waits>, env: Env, disk: Disk) -> Options {
    let waits = Arc::<Waits>::clone(waits);
    let submitter_commits = Some(SubmitterCommits { sync_limit: Duration::MAX, waits });
    Options { env, disk, submitter_commits, ..Options::default() }
}

const fn id(number: u8) -> InboxId {
    InboxId::from_bytes([number; 16])
}

fn create(number: u8) -> Op {
    let created = Timestamp::from_millis(1);
    Op::CreateInbox(Inbox { id: id(number), owner: Owner::Agent, created, key: KeyId(1) })
}

#[test]
fn a_lone_commit_is_durable_when_it_returns() {
    let machine = Machine::start();
    assert_eq!(machine.commit(create(1)).try_recv().unwrap(), Ok(vec![Applied::Created]));
    assert!(machine.has(1));
    assert_eq!(machine.waits(), 1);
    let Machine { env, disk, waits, store, stepper, .. } = machine;
    drop((store, stepper));
    disk.restart();
    let options = options(&waits, env, Disk::Simulated(disk));
    let (store, _stepper) = EmbeddedStore::open_stepped(Path::new("/store"), options).unwrap();
    assert!(block_on(store.inbox(id(1))).unwrap().is_some());
}

#[test]
fn a_commit_waits_for_those_before_it() {
    let mut machine = Machine::start();
    // Too large for a submitter.
    let (sender, large) = mpsc::channel();
    let ops = (10..20).map(create).collect();
    machine.store.commit(ops, Durability::Durable, Box::new(move |result| sender.send(result).unwrap()));
    let removed = machine.commit(Op::RemoveInbox(id(10)));
    let created = machine.commit(create(10));
    assert!(large.try_recv().is_err() && removed.try_recv().is_err() && created.try_recv().is_err());
    machine.step();
    assert!(large.try_recv().unwrap().is_ok() && removed.try_recv().unwrap().is_ok());
    assert!(created.try_recv().unwrap().is_ok() && machine.has(10));
    assert_eq!(machine.waits(), 0);
}

#[test]
fn a_commit_that_fails_on_its_submitter_is_an_outage_and_leaves_nothing_behind() {
    for operation in 0..4 {
        let mut machine = Machine::start();
        let at = machine.disk.operations() + operation;
        machine.disk.set_faults(DiskFaults { failing: at..at + 1, ..DiskFaults::default() });
        let result = machine.commit(create(1)).try_recv().unwrap();
        machine.disk.set_faults(DiskFaults::default());
        if result.is_ok() {
            assert!(operation > 0, "a commit is written");
            continue;
        }
        assert_eq!(result, Err(StoreError::Unavailable));
        assert_eq!(
            machine.stepper.wake_at(),
            Some(machine.env.monotonic()),
            "the writer deals with it at once"
        );
        let next = machine.commit(create(2));
        assert!(next.try_recv().is_err(), "it is left to the writer");
        machine.step();
        assert_eq!(next.try_recv().unwrap(), Err(StoreError::Unavailable));
        assert_eq!(machine.store.statistics().unwrap().outages, 1);
        while !machine.store.statistics().unwrap().is_up {
            machine.clock.advance(Duration::from_secs(6));
            machine.stepper.step();
        }
        let again = machine.commit(create(1));
        assert!(again.try_recv().is_err(), "the time of a sync is unknown again");
        machine.step();
        assert!(again.try_recv().unwrap().is_ok() && machine.has(1));
    }
}

#[test]
fn the_rows_of_submitters_are_flushed_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let waits = Arc::<Waits>::default();
    let age = Duration::from_millis(20);
    let memtable = MemtableBounds { age, ..MemtableBounds::default() };
    let options = Options { memtable, ..options(&waits, webpush_store::system::env(), Disk::System) };
    let store = EmbeddedStore::open(directory.path(), options).unwrap();
    for number in 0..10 {
        // From then on the thread of the writer has nothing to wake up for.
        store.flush();
        let before = store.statistics().unwrap().flushes;
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |result| sender.send(result).unwrap());
        store.commit(vec![create(number)], Durability::Durable, done);
        receiver.recv().unwrap().unwrap();
        while store.statistics().unwrap().flushes == before {
            std::thread::yield_now();
        }
    }
    assert!(waits.0.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_submitter_may_drop_a_handle_when_its_commit_is_done() {
    for number in 0..10 {
        let (directory, waits) = (tempfile::tempdir().unwrap(), Arc::<Waits>::default());
        let options = options(&waits, webpush_store::system::env(), Disk::System);
        let store = EmbeddedStore::open(directory.path(), options).unwrap();
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |result| sender.send(result).unwrap());
        store.commit(vec![create(number)], Durability::Durable, done);
        receiver.recv().unwrap().unwrap();
        let other = store.handle();
        let done = Box::new(move |result: Result<_, _>| drop((result.unwrap(), other)));
        store.commit(vec![create(number + 100)], Durability::Durable, done);
        store.close();
    }
}

/// Panics with the lock of the writer held.
struct Panics;

impl SubmitterWaits for Panics {
    fn begin(&self) {
        unreachable!("as if by a bug in a commit");
    }

    fn end(&self) {}
}

#[test]
fn a_panic_on_a_submitter_refuses_what_follows_and_frees_the_directory() {
    let (clock, path) = (SimulatedClock::default(), Path::new("/store"));
    let (env, disk) = (simulation::env(&clock, 1), SimulatedDisk::new(1, &clock));
    let options = |waits: Arc<dyn SubmitterWaits>| {
        let submitter_commits = Some(SubmitterCommits { sync_limit: Duration::MAX, waits });
        let disk = Disk::Simulated(disk.clone());
        Options { env: env.clone(), disk, submitter_commits, ..Options::default() }
    };
    let (store, mut stepper) = EmbeddedStore::open_stepped(path, options(Arc::new(Panics))).unwrap();
    let commit = |number| {
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |result| sender.send(result).unwrap());
        store.commit(vec![create(number)], Durability::Durable, done);
        receiver
    };
    let first = commit(0);
    while stepper.step() {}
    assert!(first.try_recv().unwrap().is_ok());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| commit(1))).unwrap_err();
    let next = commit(2);
    while stepper.step() {}
    assert_eq!(next.try_recv().unwrap(), Err(StoreError::Unavailable));
    let (again, _stepper) = EmbeddedStore::open_stepped(path, options(Arc::new(Panics))).unwrap();
    assert!(block_on(again.inbox(id(0))).unwrap().is_some());
}
