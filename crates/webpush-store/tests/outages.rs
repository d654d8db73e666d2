//! Outages, crashes and power cuts, one at a time.
//!
//! A commit that failed may have been stored: it is not stored twice, and observers hear of it. Positions that a client may
//! know are not assigned again, and what a process has read after a crash is there after a power cut as well.

#![allow(clippy::unwrap_used, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::block_on;
use webpush_store::disk::Disk;
use webpush_store::embedded::{EmbeddedStore, Options, Stepper};
use webpush_store::simulation::{self, DiskFaults, SimulatedClock, SimulatedDisk};
use webpush_store::{Applied, CommitEvent, CommitObserver, Detail, Durability, Op, Store, StoreError};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const SEEDS: std::ops::Range<u64> = 0..20;
/// More operations than a commit makes.
const OPERATIONS: u64 = 4;

/// Counts what observers hear.
#[derive(Default)]
struct EventCounts {
    committed: AtomicUsize,
    missed: AtomicUsize,
}

impl CommitObserver for EventCounts {
    fn committed(&self, _: &CommitEvent<'_>) {
        self.committed.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self) {}

    fn missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A store with an agent, on a disk that fails on demand.
struct Machine {
    clock: SimulatedClock,
    disk: SimulatedDisk,
    store: EmbeddedStore,
    stepper: Stepper,
    events: Arc<EventCounts>,
}

impl Machine {
    fn start(seed: u64) -> Self {
        let clock = SimulatedClock::default();
        let disk = SimulatedDisk::new(seed, &clock);
        let (store, stepper) = open(&clock, &disk, seed);
        let events = Arc::<EventCounts>::default();
        store.watch(Arc::<EventCounts>::clone(&events));
        let mut machine = Self { clock, disk, store, stepper, events };
        let (created, key) = (Timestamp::from_millis(1), KeyId(1));
        let inbox = Inbox { id: AGENT, owner: Owner::Agent, created, key };
        let (id, protocol) = (SUBSCRIPTION, Protocol::Rfc8030);
        let subscription = Subscription { agent: AGENT, id, created, key, sender: None, protocol };
        machine.commit(vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)]).unwrap();
        machine
    }

    /// Kills the process, and starts another one. A write without a sync can still be read.
    fn crash(self) -> Self {
        self.start_again(|_| ())
    }

    /// Cuts the power, and starts the machine again. Writes that were not synced may be lost.
    fn cut_power(self) -> Self {
        self.start_again(SimulatedDisk::restart)
    }

    fn start_again(self, between: impl FnOnce(&SimulatedDisk)) -> Self {
        let Self { clock, disk, store, stepper, events } = self;
        drop((store, stepper));
        between(&disk);
        let (store, stepper) = open(&clock, &disk, disk.operations());
        assert_eq!(store.recovery().batches_lost, 0);
        Self { clock, disk, store, stepper, events }
    }

    fn missed(&self) -> usize {
        self.events.missed.load(Ordering::Relaxed)
    }

    fn committed(&self) -> usize {
        self.events.committed.load(Ordering::Relaxed)
    }

    fn commit(&mut self, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
        self.commit_with(ops, Durability::Durable)
    }

    fn commit_with(&mut self, ops: Vec<Op>, durability: Durability) -> Result<Vec<Applied>, StoreError> {
        let (sender, receiver) = mpsc::channel();
        self.store.commit(ops, durability, Box::new(move |result| sender.send(result).unwrap()));
        while self.stepper.step() {}
        receiver.try_recv().unwrap()
    }

    fn append(&mut self) -> Result<Applied, StoreError> {
        self.commit(vec![Op::Append(draft(3))]).map(|mut applied| applied.remove(0))
    }

    /// Appends a message, and returns its position.
    fn append_with(&mut self, number: u8, durability: Durability) -> Position {
        match &self.commit_with(vec![Op::Append(draft(number))], durability).unwrap()[..] {
            [Applied::Appended(appended)] => appended.message.position,
            other => unreachable!("{other:?}"),
        }
    }

    fn wait_until_up(&mut self) {
        while !self.store.statistics().unwrap().is_up {
            self.clock.advance(Duration::from_secs(6));
            self.stepper.step();
        }
    }

    fn stored(&self) -> usize {
        let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
        block_on(self.store.fetch(&scope, Position::START, Timestamp::from_millis(1))).unwrap().entries.len()
    }
}

fn open(clock: &SimulatedClock, disk: &SimulatedDisk, seed: u64) -> (EmbeddedStore, Stepper) {
    let env = simulation::env(clock, seed);
    let options = Options { env, disk: Disk::Simulated(disk.clone()), ..Options::default() };
    EmbeddedStore::open_stepped(Path::new("/store"), options).unwrap()
}

fn draft(number: u8) -> Draft {
    Draft {
        id: MessageId::from_bytes([number; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from_static(b"body"),
    }
}

/// Runs `check` after an outage at each operation of a commit, with the result of a second attempt.
fn after_each_outage(mut check: impl FnMut(&Machine, &Applied)) {
    for (seed, operation) in SEEDS.flat_map(|seed| (0..OPERATIONS).map(move |operation| (seed, operation))) {
        let mut machine = Machine::start(seed);
        let at = machine.disk.operations() + operation;
        machine.disk.set_faults(DiskFaults { failing: at..at + 1, ..DiskFaults::default() });
        if machine.append() == Err(StoreError::Unavailable) {
            machine.disk.set_faults(DiskFaults::default());
            machine.wait_until_up();
            let again = machine.append().unwrap();
            check(&machine, &again);
        }
    }
}

#[test]
fn a_message_that_is_submitted_again_after_an_outage_is_stored_once() {
    let (mut stored_before, mut stored_again) = (0, 0);
    after_each_outage(|machine, again| {
        match again {
            Applied::Duplicate(_) => stored_before += 1,
            Applied::Appended(_) => stored_again += 1,
            other => unreachable!("{other:?}"),
        }
        assert_eq!(machine.stored(), 1);
    });
    assert!(stored_before > 0 && stored_again > 0, "{stored_before} and {stored_again}: both happen");
}

#[test]
fn observers_hear_that_they_have_missed_events_after_an_outage() {
    let mut outages = 0;
    after_each_outage(|machine, _| {
        assert_eq!(machine.missed(), 1);
        outages += 1;
    });
    assert!(outages > 0);
}

/// Sessions deliver what they hear of.
#[test]
fn observers_hear_nothing_of_a_commit_that_has_failed() {
    let mut failures = 0;
    for (seed, operation) in SEEDS.flat_map(|seed| (0..OPERATIONS).map(move |operation| (seed, operation))) {
        let mut machine = Machine::start(seed);
        let (before, at) = (machine.committed(), machine.disk.operations() + operation);
        machine.disk.set_faults(DiskFaults { failing: at..at + 1, ..DiskFaults::default() });
        match machine.append() {
            Ok(_) => assert_eq!(machine.committed(), before + 1),
            Err(_) => {
                assert_eq!(machine.committed(), before);
                failures += 1;
            }
        }
    }
    assert!(failures > 0);
}

/// The second message is larger than an inbox may be on this disk.
#[test]
fn a_request_that_fails_at_its_second_operation_leaves_nothing_of_the_first() {
    let mut machine = Machine::start(0);
    machine.clock.advance(Duration::from_secs(1));
    machine.disk.set_faults(DiskFaults { capacity: Some(16 << 20), ..DiskFaults::default() });
    let large = Draft { body: Bytes::from(vec![1; 2 << 20]), ..draft(2) };
    assert_eq!(machine.commit(vec![Op::Append(draft(1)), Op::Append(large)]), Err(StoreError::Full));
    assert_eq!(machine.stored(), 0);
    machine.append().unwrap();
    assert_eq!(machine.stored(), 1);
}

/// The flush does not begin before its task is run.
#[test]
fn a_snapshot_has_what_is_being_flushed() {
    let mut machine = Machine::start(0);
    machine.append().unwrap();
    machine.clock.advance(Duration::from_secs(3600));
    machine.stepper.step();
    assert_eq!(machine.store.statistics().unwrap().flushes, 1);
    let snapshot = block_on(machine.store.snapshot(&Detail::EVERYTHING)).unwrap();
    let records: Vec<_> = snapshot.map(Result::unwrap).collect();
    assert_eq!(records.len(), 4, "a position, an inbox, a subscription and a message: {records:?}");
}

#[test]
fn what_was_read_after_a_crash_survives_a_power_cut() {
    for seed in SEEDS {
        let mut machine = Machine::start(seed);
        machine.append_with(1, Durability::Lazy);
        let mut machine = machine.crash();
        assert_eq!(machine.stored(), 1);
        machine.append_with(2, Durability::Durable);
        assert_eq!(machine.cut_power().stored(), 2, "seed {seed}");
    }
}

/// A client may know the position of a commit that a power cut loses, and resume from there.
#[test]
fn a_position_that_was_lost_is_not_assigned_again() {
    for seed in SEEDS {
        let mut machine = Machine::start(seed);
        machine.append_with(1, Durability::Durable);
        let lost = machine.append_with(2, Durability::Lazy);
        let mut machine = machine.cut_power();
        assert!(machine.append_with(3, Durability::Durable) > lost, "seed {seed}");
    }
}

/// The first commit of a process is lazy: its frame does not tell the positions of the process before.
#[test]
fn a_position_of_the_first_commit_that_was_lost_is_not_assigned_again() {
    for seed in SEEDS {
        let mut machine = Machine::start(seed);
        machine.append_with(1, Durability::Durable);
        let mut machine = machine.crash();
        let lost = machine.append_with(2, Durability::Lazy);
        let mut machine = machine.cut_power();
        assert!(machine.append_with(3, Durability::Durable) > lost, "seed {seed}");
    }
}
