//! A store on a disk that loses power, fails and fills up keeps its promises.
//!
//! A seed decides what happens when. Each run steps a store by hand and compares it with the model whenever it is
//! reopened. A failure names the seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::contract::block_on;
use webpush_store::disk::Disk;
use webpush_store::embedded::{EmbeddedStore, Options, Stepper};
use webpush_store::memory::MemoryStore;
use webpush_store::simulation::{self, DiskFaults, Random, SimulatedClock, SimulatedDisk};
use webpush_store::{Applied, Detail, Durability, Op, Quota, Record, Store, StoreError};

const DIRECTORY: &str = "/store";
const QUOTA: Quota = Quota { messages: 6, body_bytes: 4000, receipts: 4, subscriptions: 3 };
const RESERVE_BYTES: u64 = 8000;
const AGENTS: u8 = 3;
const RECEIPTS: u8 = 9;
const ROUNDS: usize = 40;

type Answer = Result<Vec<Applied>, StoreError>;

/// A store under test, and what is known about it.
struct Run {
    seed: u64,
    random: Random,
    clock: SimulatedClock,
    disk: SimulatedDisk,
    store: Option<(EmbeddedStore, Stepper)>,
    outages: u64,
    flushes: u64,
    model: MemoryStore,
    /// Batches that the store has confirmed since the start, and how many of them are certainly on disk.
    confirmed: Vec<Vec<Op>>,
    durable: usize,
    /// Batches that were submitted and not confirmed.
    unknown: Vec<Vec<Op>>,
    messages: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let clock = SimulatedClock::default();
        let disk = SimulatedDisk::new(seed, &clock);
        let mut run = Self {
            seed,
            random: Random::new(seed ^ 0x5eed),
            clock,
            disk,
            store: None,
            outages: 0,
            flushes: 0,
            model: MemoryStore::with_quota(QUOTA),
            confirmed: Vec::new(),
            durable: 0,
            unknown: Vec::new(),
            messages: 0,
        };
        run.open();
        run.submit(vec![(furniture(), Durability::Durable)]);
        run
    }

    fn open(&mut self) {
        let env = simulation::env(&self.clock, self.random.number());
        let disk = Disk::Simulated(self.disk.clone());
        let mut options = Options { env, disk, quota: QUOTA, ..Options::default() };
        options.memtable.age = Duration::from_millis(800);
        options.memtable.bytes = 6000;
        options.reserve_bytes = RESERVE_BYTES;
        let opened = EmbeddedStore::open_stepped(Path::new(DIRECTORY), options);
        let opened = opened.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        assert_eq!(opened.0.recovery().batches_lost, 0, "seed {}", self.seed);
        (self.store, self.outages, self.flushes) = (Some(opened), 0, 0);
    }

    /// Submits batches together, carries them out, and compares the answers with those of the model.
    fn submit(&mut self, batches: Vec<(Vec<Op>, Durability)>) {
        let (store, stepper) = self.store.as_mut().unwrap();
        let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
        for (ops, durability) in &batches {
            let answers = Arc::clone(&answers);
            store.commit(
                ops.clone(),
                *durability,
                Box::new(move |answer| answers.lock().unwrap().push(answer)),
            );
        }
        // All batches are one group; the memtable may be rotated before it, and after it.
        stepper.step();
        let flushes_before = store.statistics().unwrap().flushes;
        while stepper.step() {}
        let flushes = store.statistics().unwrap().flushes;
        self.note_rotation(flushes_before);
        let answers = std::mem::take(&mut *answers.lock().unwrap());
        assert_eq!(answers.len(), batches.len(), "each gets one result");
        for ((ops, durability), answer) in batches.into_iter().zip(answers) {
            if answer == Err(StoreError::Full) {
                assert!(ops.iter().any(takes_room), "what ends something goes on");
                continue;
            }
            let Ok(applied) = answer else {
                assert_eq!(answer, Err(StoreError::Unavailable));
                self.unknown.push(ops);
                continue;
            };
            assert!(self.unknown.is_empty(), "nothing is done after a failure");
            assert_eq!(commit(&self.model, ops.clone()), applied, "seed {}", self.seed);
            self.confirmed.push(ops);
            // Sessions deliver receipts at once.
            if durability == Durability::Durable || applied.iter().any(has_receipts) {
                self.durable = self.confirmed.len();
            }
        }
        self.note_rotation(flushes);
    }

    /// After a rotation of the memtable, positions are assigned above all earlier ones.
    fn note_rotation(&mut self, flushes: u64) {
        if std::mem::replace(&mut self.flushes, flushes) != flushes {
            let (position, _) = snapshot(&self.model);
            self.leap(position);
        }
    }

    /// Some batches, most of which do something.
    fn batches(&mut self) -> Vec<(Vec<Op>, Durability)> {
        let mut entries = Vec::new();
        for record in block_on(self.model.snapshot(&Detail::EVERYTHING)).unwrap() {
            if let Record::Entry(entry) = record.unwrap() {
                entries.push(entry);
            }
        }
        let mut batches = Vec::new();
        for _ in 0..=self.random.below(3) {
            let ops = (0..=self.random.below(3)).map(|_| self.op(&entries)).collect();
            let durability = if self.random.one_in(2) { Durability::Durable } else { Durability::Lazy };
            batches.push((ops, durability));
        }
        batches
    }

    fn op(&mut self, entries: &[Entry]) -> Op {
        let agent = self.random.below(AGENTS.into()) as u8;
        let subscription = self.random.below(2) as u8;
        match self.random.below(20) {
            0 => Op::Unsubscribe(inbox_id(agent), subscription_id(subscription)),
            1 => Op::RemoveInbox(inbox_id(agent)),
            2 | 3 => Op::CreateInbox(inbox(agent)),
            4..7 => Op::Subscribe(new_subscription(agent, subscription)),
            7 => Op::Touch(inbox_id(agent), Timestamp::from_millis(self.random.below(1 << 30))),
            8..13 if !entries.is_empty() => {
                let entry = entries[self.random.index(entries.len())].entry_ref();
                Op::Settle(entry, if self.random.one_in(3) { Outcome::Expired } else { Outcome::Delivered })
            }
            _ => {
                self.messages += 1;
                let topic = self.random.one_in(3).then_some(&b"topic"[..]).and_then(Topic::parse);
                let receipt = self.random.one_in(2).then(|| inbox_id(RECEIPTS));
                let body = vec![self.messages as u8; self.random.index(900)];
                Op::Append(Draft { topic, receipt, ..message(agent, subscription, self.messages, body) })
            }
        }
    }

    /// Finds out how many of the uncertain batches are present, and continues from there.
    fn compare(&mut self) {
        let (store, stepper) = self.store.as_mut().unwrap();
        stepper.run_tasks();
        let (position, records) = snapshot(store);
        let entries = records.iter().filter(|record| matches!(record, Record::Entry(_))).count();
        assert_eq!(store.statistics().unwrap().entries, Some(entries as u64), "seed {}", self.seed);
        let possible: Vec<_> = self.confirmed.drain(..).chain(self.unknown.drain(..)).collect();
        let model = MemoryStore::with_quota(QUOTA);
        for (number, ops) in possible.iter().enumerate() {
            if number >= self.durable && snapshot(&model).1 == records {
                break;
            }
            commit(&model, ops.clone());
            self.confirmed.push(ops.clone());
        }
        assert_eq!(snapshot(&model).1, records, "seed {}: of {} batches", self.seed, possible.len());
        assert!(snapshot(&model).0 <= position, "seed {}: a position may be used again", self.seed);
        self.model = model;
        // Positions that were lost are not used again.
        self.leap(position);
    }

    /// Lets the model assign positions above this one in all inboxes.
    fn leap(&mut self, position: Position) {
        let leap = vec![Op::Restore(Record::Position(position))];
        commit(&self.model, leap.clone());
        self.confirmed.push(leap);
    }

    /// Starts the machine again after a power cut, at any moment.
    fn restart(&mut self) {
        self.store = None;
        self.disk.restart();
        self.open();
        self.compare();
        self.durable = self.confirmed.len() - 1;
    }

    fn rounds(&mut self, faults: impl Fn(&mut Random, u64) -> DiskFaults) {
        for _ in 0..ROUNDS {
            if self.random.one_in(10) {
                let at = self.disk.operations();
                let faults = faults(&mut self.random, at);
                self.disk.set_faults(faults);
            }
            self.round();
        }
        self.disk.set_faults(DiskFaults::default());
        if self.random.one_in(2) {
            let (store, stepper) = self.store.take().unwrap();
            stepper.close();
            drop(store);
            if self.random.one_in(2) {
                self.disk.restart();
            }
            self.open();
            if self.unknown.is_empty() {
                self.durable = self.confirmed.len();
            }
            self.compare();
        }
        self.restart();
    }

    fn round(&mut self) {
        self.clock.advance(Duration::from_millis(self.random.below(400)));
        let batches = self.batches();
        self.submit(batches);
        let (store, stepper) = self.store.as_mut().unwrap();
        if self.random.one_in(3) {
            stepper.run_tasks();
        }
        if self.disk.is_off() {
            return self.restart();
        }
        let outages = store.statistics().unwrap().outages;
        if outages == self.outages && self.unknown.is_empty() {
            return;
        }
        for _ in 0..30 {
            if store.statistics().unwrap().is_up || self.disk.is_off() {
                break;
            }
            self.clock.advance(Duration::from_secs(6));
            stepper.step();
        }
        if self.disk.is_off() || !store.statistics().unwrap().is_up {
            // Space does not become free by itself.
            return self.restart();
        }
        self.outages = outages;
        self.compare();
    }
}

#[test]
fn what_was_promised_survives_a_power_cut_at_any_operation() {
    for seed in 0..4 {
        let undisturbed = {
            let mut run = Run::new(seed);
            run.rounds(|_, _| DiskFaults::default());
            run.disk.operations()
        };
        for at in (8..undisturbed).step_by(5) {
            let mut run = Run::new(seed);
            run.disk.set_faults(DiskFaults { power_cut_at: Some(at), ..DiskFaults::default() });
            for _ in 0..ROUNDS {
                run.round();
                if run.disk.operations() > at + 12 {
                    break;
                }
            }
            run.restart();
        }
    }
}

#[test]
fn what_was_promised_survives_power_cuts_failures_and_a_full_disk() {
    for seed in 1000..1300 {
        Run::new(seed).rounds(|random, at| {
            let (mut faults, after) = (DiskFaults::default(), at + random.below(30));
            match random.below(4) {
                0 => faults.power_cut_at = Some(after),
                1 => faults.failing = after..after + 1 + random.below(5),
                2 => faults.capacity = Some(random.below(20_000)),
                _ => faults.longest_delay = Duration::from_millis(2),
            }
            faults
        });
    }
}

/// B6b: on a file system where a name is durable only when its own directory was synced.
#[test]
fn a_store_is_found_after_a_power_cut_that_follows_its_first_rotations() {
    for seed in 0..20 {
        let mut run = Run::new(seed);
        while run.flushes < 3 {
            run.round();
        }
        run.restart();
    }
}

/// B1: new messages are refused before a write fails, and acknowledgements go on.
#[test]
fn a_disk_that_fills_up_refuses_messages_and_not_their_ends() {
    let mut run = Run::new(0);
    run.disk.set_faults(DiskFaults { capacity: Some(60_000), ..DiskFaults::default() });
    let append = |run: &mut Run| {
        run.messages += 1;
        run.clock.advance(Duration::from_millis(300));
        let before = run.confirmed.len();
        // Without a quota there would be no need to spread them.
        let agent = (run.messages % u32::from(AGENTS)) as u8;
        let draft = message(agent, 0, run.messages, vec![1; 600]);
        run.submit(vec![(vec![Op::Append(draft)], Durability::Durable)]);
        run.confirmed.len() > before
    };
    while append(&mut run) {}
    let (store, _) = run.store.as_ref().unwrap();
    let statistics = store.statistics().unwrap();
    assert!(statistics.is_full && statistics.is_up && statistics.outages == 0);
    for agent in 0..AGENTS {
        run.submit(vec![(vec![Op::RemoveInbox(inbox_id(agent))], Durability::Durable)]);
    }
    run.compare();
    run.restart();
    // The power cut has lifted the limit.
    run.submit(vec![(furniture(), Durability::Durable)]);
    assert!(append(&mut run));
}

#[test]
fn a_run_can_be_repeated() {
    let run = |seed| {
        let mut run = Run::new(seed);
        run.rounds(|random, at| DiskFaults {
            power_cut_at: Some(at + random.below(20)),
            ..DiskFaults::default()
        });
        let (store, _) = run.store.as_ref().unwrap();
        (run.disk.operations(), snapshot(store))
    };
    for seed in 0..5 {
        assert!(run(seed) == run(seed), "seed {seed}");
    }
}

fn commit(store: &MemoryStore, ops: Vec<Op>) -> Vec<Applied> {
    let answer: Arc<Mutex<Option<Answer>>> = Arc::default();
    let answered = Arc::clone(&answer);
    let done = Box::new(move |result| *answered.lock().unwrap() = Some(result));
    store.commit(ops, Durability::Lazy, done);
    answer.lock().unwrap().take().unwrap().unwrap()
}

fn has_receipts(applied: &Applied) -> bool {
    match applied {
        Applied::Appended(appended) => !appended.receipts.is_empty(),
        Applied::Settled(settled) => settled.receipt.is_some(),
        Applied::Removed(removed) => !removed.receipts.is_empty(),
        _ => false,
    }
}

fn takes_room(op: &Op) -> bool {
    matches!(op, Op::Append(_) | Op::Subscribe(_) | Op::CreateInbox(_))
}

/// The last position, and all other records.
fn snapshot(store: &impl Store) -> (Position, Vec<Record>) {
    let mut records = block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().map(Result::unwrap);
    match records.next() {
        Some(Record::Position(position)) => (position, records.collect()),
        other => panic!("no position: {other:?}"),
    }
}

fn furniture() -> Vec<Op> {
    let receipts = Inbox { owner: Owner::Receipts, ..inbox(RECEIPTS) };
    let mut ops = vec![Op::CreateInbox(receipts)];
    for agent in 0..AGENTS {
        ops.push(Op::CreateInbox(inbox(agent)));
        ops.push(Op::Subscribe(new_subscription(agent, 0)));
    }
    ops
}

fn inbox_id(number: u8) -> InboxId {
    InboxId::from_bytes([number; 16])
}

fn subscription_id(number: u8) -> SubscriptionId {
    SubscriptionId::from_bytes([number; 16])
}

fn inbox(number: u8) -> Inbox {
    Inbox { id: inbox_id(number), owner: Owner::Agent, created: Timestamp::from_millis(1), key: KeyId(1) }
}

fn new_subscription(agent: u8, number: u8) -> Subscription {
    Subscription {
        agent: inbox_id(agent),
        id: subscription_id(number),
        created: Timestamp::from_millis(2),
        key: KeyId(1),
        sender: None,
        protocol: Protocol::Rfc8030,
    }
}

fn message(agent: u8, subscription: u8, number: u32, body: Vec<u8>) -> Draft {
    Draft {
        id: MessageId::from_bytes(u128::from(number).to_be_bytes()),
        agent: inbox_id(agent),
        subscription: subscription_id(subscription),
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::from_millis(1000),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(body),
    }
}
