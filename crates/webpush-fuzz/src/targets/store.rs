//! Operations on the embedded store compared with the model.
//!
//! The disk loses power, fails and fills up.

mod comparison;
pub(super) mod machine;
mod operations;

use std::time::Duration;
use webpush_core::env::Clock as _;
use webpush_core::id::Position;
use webpush_core::time::Timestamp;
use webpush_store::contract::commit_blocking;
use webpush_store::memory::MemoryStore;
use webpush_store::simulation::DiskFaults;
use webpush_store::{Durability, Op, Quota, Record, Store, StoreError};

use crate::input::Input;
use comparison::{assert_same, entries};
use machine::{Machine, records};
use operations::{Operations, first, idle_check};

/// Steps of one input, each of which costs up to a millisecond.
const STEPS: usize = 120;
/// Attempts to reopen the engine after a failure.
const RECOVERY_STEPS: usize = 30;

/// A store under test, and what is known about it.
struct Run {
    machine: Machine,
    quota: Quota,
    model: MemoryStore,
    operations: Operations,
    /// Batches that the store has confirmed, and how many of them are certainly on disk.
    confirmed: Vec<Vec<Op>>,
    durable: usize,
    /// Batches that were submitted and not confirmed.
    unknown: Vec<Vec<Op>>,
    outages: u64,
    flushes: u64,
}

/// The first bytes are options; then each byte selects a step.
pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let mut run = Run::new(&mut input);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.restart();
    run.assert_same(&mut input);
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let quota = Quota {
            messages: u64::from(input.byte() % 12) + 1,
            body_bytes: u64::from(input.byte()) * 20,
            receipts: u64::from(input.byte() % 6),
            subscriptions: u64::from(input.byte() % 4) + 1,
        };
        let memtable_bytes = [600, 3000, 12_000, usize::MAX][input.below(4)];
        let machine = Machine::with_options(input.byte().into(), quota, memtable_bytes);
        let operations = Operations::new(machine.clock.now());
        let mut run = Self {
            machine,
            quota,
            model: MemoryStore::with_quota(quota),
            operations,
            confirmed: Vec::new(),
            durable: 0,
            unknown: Vec::new(),
            outages: 0,
            flushes: 0,
        };
        run.commit(first(), Durability::Durable);
        run
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(24) {
            0 => self.machine.flush(),
            1 => self.restart(),
            2 => self.reopen(),
            3 => self.assert_same(input),
            4 => self.set_faults(input),
            5 => self.machine.stepper().run_tasks(),
            6 => self.machine.clock.advance(Duration::from_millis(u64::from(input.byte()) * 50)),
            kind => {
                let entries = entries(&self.model);
                self.operations.set_now(self.machine.clock.now());
                let ops = (0..=kind % 3).map(|_| self.operations.next(input, &entries)).collect();
                let durability = if kind & 1 == 0 { Durability::Durable } else { Durability::Lazy };
                self.commit(ops, durability);
            }
        }
        self.note_rotation(self.machine.flushes());
        self.recover();
    }

    fn set_faults(&self, input: &mut Input<'_>) {
        let (mut faults, at) = (DiskFaults::default(), self.machine.disk().operations());
        let after = at + u64::from(input.byte() % 30);
        match input.below(5) {
            0 => faults.power_cut_at = Some(after),
            1 => faults.failing = after..after + u64::from(input.byte() % 5) + 1,
            2 => faults.capacity = Some(u64::from(input.byte()) * 200),
            3 => faults.longest_delay = Duration::from_millis(2),
            _ => {}
        }
        self.machine.disk().set_faults(faults);
    }

    /// Commits a batch in both stores, and compares the results.
    fn commit(&mut self, ops: Vec<Op>, durability: Durability) {
        let (result, flushes_before) = self.machine.submit(ops.clone(), durability);
        self.note_rotation(flushes_before);
        match result {
            Ok(applied) => {
                assert!(self.unknown.is_empty(), "something is done after a failure");
                assert_eq!(commit_blocking(&self.model, ops.clone()), applied);
                self.confirmed.push(ops);
                if durability == Durability::Durable {
                    self.durable = self.confirmed.len();
                }
            }
            Err(StoreError::Full) => assert!(ops.iter().any(takes_room), "what ends something goes on"),
            Err(error) => {
                assert_eq!(error, StoreError::Unavailable);
                self.unknown.push(ops);
            }
        }
        self.note_rotation(self.machine.flushes());
    }

    /// After a rotation of the memtable, positions are assigned above all earlier ones.
    fn note_rotation(&mut self, flushes: u64) {
        if std::mem::replace(&mut self.flushes, flushes) != flushes {
            let (position, _) = records(&self.model);
            self.leap(position);
        }
    }

    fn leap(&mut self, position: Position) {
        let leap = vec![Op::Restore(Record::Position(position))];
        commit_blocking(&self.model, leap.clone());
        self.confirmed.push(leap);
    }

    /// Waits until a store that has failed works again, or restarts the machine.
    fn recover(&mut self) {
        let is_off = self.machine.disk().is_off();
        if is_off {
            return self.restart();
        }
        let outages = self.machine.store().statistics().unwrap().outages;
        if outages == self.outages && self.unknown.is_empty() {
            return;
        }
        for _ in 0..RECOVERY_STEPS {
            if self.machine.store().statistics().unwrap().is_up || self.machine.disk().is_off() {
                break;
            }
            self.machine.clock.advance(Duration::from_secs(6));
            self.machine.stepper().step();
        }
        if self.machine.disk().is_off() || !self.machine.store().statistics().unwrap().is_up {
            // Space does not become free by itself.
            return self.restart();
        }
        self.outages = outages;
        self.find_state();
    }

    fn restart(&mut self) {
        self.machine.restart();
        (self.outages, self.flushes) = (0, 0);
        self.find_state();
        self.machine.stepper().run_tasks();
        let counted = self.machine.store().statistics().unwrap().entries;
        assert_eq!(counted, Some(entries(&self.model).len() as u64));
        self.durable = self.confirmed.len() - 1;
    }

    fn reopen(&mut self) {
        self.machine.reopen();
        (self.outages, self.flushes) = (0, 0);
        if self.unknown.is_empty() {
            self.durable = self.confirmed.len();
        }
        self.find_state();
    }

    /// Finds out which of the uncertain batches are in the store: the first ones, and all that are durable.
    fn find_state(&mut self) {
        let (position, found) = records(self.machine.store());
        let possible: Vec<_> = self.confirmed.drain(..).chain(self.unknown.drain(..)).collect();
        let model = MemoryStore::with_quota(self.quota);
        for (number, ops) in possible.iter().enumerate() {
            if number >= self.durable && records(&model).1 == found {
                break;
            }
            commit_blocking(&model, ops.clone());
            self.confirmed.push(ops.clone());
        }
        assert_eq!(records(&model).1, found, "of {} batches, {} are durable", possible.len(), self.durable);
        assert!(records(&model).0 <= position, "a position may be assigned again");
        self.model = model;
        self.leap(position);
    }

    fn assert_same(&self, input: &mut Input<'_>) {
        let store = self.machine.store();
        if store.statistics().unwrap().is_up && !self.machine.disk().is_off() {
            let now: Timestamp = self.machine.clock.now();
            assert_same(&self.model, store, now, &idle_check(input));
        }
    }
}

fn takes_room(op: &Op) -> bool {
    matches!(op, Op::Append(_) | Op::Subscribe(_) | Op::CreateInbox(_))
}
