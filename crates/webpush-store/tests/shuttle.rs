//! The threads of the embedded store keep its promises in every interleaving that shuttle chooses.
//!
//! `cargo test -p webpush-store --features shuttle --test shuttle`; `SHUTTLE_ITERATIONS=N` tries more of them. A failure
//! prints the schedule, which `shuttle::replay` repeats.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::mpsc::channel;
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::block_on;
use webpush_store::disk::Disk;
use webpush_store::embedded::{EmbeddedStore, Options, SubmitterCommits, SubmitterWaits};
use webpush_store::simulation::{self, DiskFaults, SimulatedClock, SimulatedDisk};
use webpush_store::{Applied, Detail, Durability, Op, Record, Store, StoreError};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const SCOPE: Scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
/// Interleavings of each test and scheduler.
const ITERATIONS: usize = 500;
/// Places at which the PCT scheduler prefers another thread.
const PREEMPTIONS: usize = 3;
/// The default is too small for a build without optimization.
const STACK_BYTES: usize = 8 << 20;

/// Runs a test with commits on the writer's thread, and on their submitters' too.
fn check(test: fn(bool)) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS").ok().and_then(|number| number.parse().ok());
    let iterations = iterations.unwrap_or(ITERATIONS);
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    for submitters_commit in [false, true] {
        let test = move || test(submitters_commit);
        Runner::new(RandomScheduler::new(iterations), config.clone()).run(test);
        Runner::new(PctScheduler::new(PREEMPTIONS, iterations), config.clone()).run(test);
    }
}

/// A disk, and a store on it that rotates its memtable before every group.
///
/// If submitters may commit, it does so only after some groups, as it happens on the writer's thread.
struct Machine {
    disk: SimulatedDisk,
    clock: SimulatedClock,
    submitters_commit: bool,
}

impl Machine {
    fn start(submitters_commit: bool) -> (Self, EmbeddedStore) {
        let clock = SimulatedClock::default();
        let machine = Self { disk: SimulatedDisk::new(7, &clock), clock, submitters_commit };
        let store = EmbeddedStore::open(Path::new("/store"), machine.options()).unwrap();
        let inbox = Inbox { id: AGENT, owner: Owner::Agent, created: Timestamp::default(), key: KeyId(1) };
        commit(&store, vec![Op::CreateInbox(inbox), Op::Subscribe(subscription())]).unwrap();
        (machine, store)
    }

    fn options(&self) -> Options {
        let env = simulation::env(&self.clock, 7);
        let mut options = Options { env, disk: Disk::Simulated(self.disk.clone()), ..Options::default() };
        options.memtable.bytes = 1;
        if self.submitters_commit {
            let waits = Arc::new(Yields);
            options.submitter_commits = Some(SubmitterCommits { sync_limit: Duration::MAX, waits });
            options.memtable.bytes = 1500;
        }
        options
    }

    /// Cuts the power, and returns the positions of the messages after a restart.
    fn positions_after_power_cut(&self) -> Vec<Position> {
        self.disk.restart();
        let (store, _stepper) = EmbeddedStore::open_stepped(Path::new("/store"), self.options()).unwrap();
        positions(&store).unwrap()
    }
}

/// Lets other threads run while a submitter commits.
struct Yields;

impl SubmitterWaits for Yields {
    fn begin(&self) {
        thread::yield_now();
    }

    fn end(&self) {
        thread::yield_now();
    }
}

fn subscription() -> Subscription {
    let (sender, protocol, created) = (None, Protocol::Rfc8030, Timestamp::default());
    Subscription { agent: AGENT, id: SUBSCRIPTION, created, key: KeyId(1), sender, protocol }
}

fn append(number: u8) -> Op {
    Op::Append(Draft {
        id: MessageId::from_bytes([number; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: Timestamp::default(),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::new(),
    })
}

/// Commits durably, and waits for the answer. A commit that is never answered fails the test.
fn commit(store: &EmbeddedStore, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
    let (sender, receiver) = channel();
    store.commit(ops, Durability::Durable, Box::new(move |answer| sender.send(answer).unwrap()));
    let answer = receiver.recv().unwrap();
    assert!(receiver.recv().is_err(), "a commit gets one answer");
    answer
}

fn push(store: &EmbeddedStore, number: u8) -> Result<Position, StoreError> {
    match commit(store, vec![append(number)])?.as_slice() {
        [Applied::Appended(appended)] => Ok(appended.message.position),
        other => unreachable!("{other:?}"),
    }
}

fn entries(store: &EmbeddedStore) -> Result<Vec<Entry>, StoreError> {
    block_on(store.fetch(&SCOPE, Position::START, Timestamp::default())).map(|page| page.entries)
}

fn positions(store: &EmbeddedStore) -> Result<Vec<Position>, StoreError> {
    Ok(entries(store)?.iter().map(Entry::position).collect())
}

/// Sends messages, and notes the position of each that was confirmed.
fn sender(
    store: &EmbeddedStore,
    numbers: std::ops::Range<u8>,
    confirmed: &Arc<Mutex<Vec<Position>>>,
) -> JoinHandle<()> {
    let (store, confirmed) = (store.handle(), Arc::clone(confirmed));
    thread::spawn(move || {
        for number in numbers {
            if let Ok(position) = push(&store, number) {
                confirmed.lock().unwrap().push(position);
            }
        }
    })
}

fn assert_has_all(found: &[Position], confirmed: &[Position]) {
    assert!(found.is_sorted(), "entries are in order");
    assert!(confirmed.iter().all(|position| found.contains(position)), "{confirmed:?} in {found:?}");
}

#[test]
fn each_commit_is_answered_once_and_what_was_confirmed_survives_a_power_cut_at_any_moment() {
    check(|submitters_commit| {
        let (machine, store) = Machine::start(submitters_commit);
        let confirmed = Arc::default();
        let senders = [sender(&store, 0..3, &confirmed), sender(&store, 10..13, &confirmed)];
        let disk = machine.disk.clone();
        let cut = thread::spawn(move || {
            let power_cut_at = Some(disk.operations());
            disk.set_faults(DiskFaults { power_cut_at, ..DiskFaults::default() });
        });
        senders.into_iter().chain([cut]).for_each(|thread| thread.join().unwrap());
        drop(store);
        assert_has_all(&machine.positions_after_power_cut(), &confirmed.lock().unwrap());
    });
}

#[test]
fn commits_of_a_thread_are_applied_in_the_order_of_submission() {
    check(|submitters_commit| {
        let (_machine, store) = Machine::start(submitters_commit);
        let threads = [0..3, 10..13].map(|numbers| {
            let store = store.handle();
            thread::spawn(move || {
                let (sender, receiver) = channel();
                for number in numbers.clone() {
                    let sender = sender.clone();
                    let done = Box::new(move |answer| sender.send(answer).unwrap());
                    store.commit(vec![append(number)], Durability::Durable, done);
                }
                numbers.for_each(|_| drop(receiver.recv().unwrap().unwrap()));
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let message = |entry: Entry| match entry {
            Entry::Message(message) => message.id.as_bytes()[0],
            Entry::Receipt(_) => unreachable!("none was asked for"),
        };
        let stored: Vec<u8> = entries(&store).unwrap().into_iter().map(message).collect();
        let (first, second): (Vec<u8>, Vec<u8>) = stored.into_iter().partition(|number| *number < 10);
        assert_eq!((first, second), (vec![0, 1, 2], vec![10, 11, 12]));
    });
}

#[test]
fn a_reader_misses_nothing_while_memtables_are_rotated_and_flushed() {
    check(|submitters_commit| {
        let (_machine, store) = Machine::start(submitters_commit);
        let confirmed = Arc::default();
        let senders = [sender(&store, 0..3, &confirmed), sender(&store, 10..13, &confirmed)];
        let mut before = 0;
        for _ in 0..6 {
            let known = confirmed.lock().unwrap().clone();
            let found = positions(&store).unwrap();
            assert_has_all(&found, &known);
            assert!(found.len() >= before, "an entry has disappeared");
            before = found.len();
            thread::yield_now();
        }
        senders.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(positions(&store).unwrap().len(), 6);
    });
}

#[test]
fn what_was_settled_does_not_come_back_while_memtables_are_rotated_and_flushed() {
    check(|submitters_commit| {
        let (_machine, store) = Machine::start(submitters_commit);
        let settled = Arc::<Mutex<Vec<Position>>>::default();
        let agent = {
            let (store, settled) = (store.handle(), Arc::clone(&settled));
            thread::spawn(move || {
                for number in 0..4 {
                    push(&store, number).unwrap();
                    let entry = entries(&store).unwrap()[0].entry_ref();
                    commit(&store, vec![Op::Settle(entry, Outcome::Delivered)]).unwrap();
                    settled.lock().unwrap().push(entry.position);
                }
            })
        };
        for _ in 0..6 {
            let ended = settled.lock().unwrap().clone();
            let found = positions(&store).unwrap();
            assert!(ended.iter().all(|position| !found.contains(position)), "{ended:?} and {found:?}");
            thread::yield_now();
        }
        agent.join().unwrap();
        assert_eq!(positions(&store).unwrap(), []);
    });
}

#[test]
fn a_snapshot_is_of_one_moment_however_long_it_is_read() {
    check(|submitters_commit| {
        let (_machine, store) = Machine::start(submitters_commit);
        let confirmed = Arc::default();
        let senders = [sender(&store, 0..3, &confirmed)];
        let known = confirmed.lock().unwrap().clone();
        let snapshot = block_on(store.snapshot(&Detail::EVERYTHING)).unwrap();
        let latest = positions(&store).unwrap();
        let mut found = Vec::new();
        for record in snapshot {
            if let Record::Entry(entry) = record.unwrap() {
                found.push(entry.position());
            }
            thread::yield_now();
        }
        assert_has_all(&found, &known);
        assert!(latest.starts_with(&found), "{found:?} is not a beginning of {latest:?}");
        senders.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn closing_answers_everyone_and_loses_nothing() {
    check(|submitters_commit| {
        let (machine, store) = Machine::start(submitters_commit);
        let confirmed = Arc::default();
        let senders = [sender(&store, 0..3, &confirmed), sender(&store, 10..13, &confirmed)];
        let other = store.handle();
        let closing = thread::spawn(move || other.close());
        let flushed = store.handle();
        let flushing = thread::spawn(move || flushed.flush());
        store.close();
        assert_eq!(push(&store, 20), Err(StoreError::Unavailable));
        senders.into_iter().chain([closing, flushing]).for_each(|thread| thread.join().unwrap());
        assert_has_all(&machine.positions_after_power_cut(), &confirmed.lock().unwrap());
        assert_eq!(confirmed.lock().unwrap().len(), 6, "a closed handle does not close the others");
    });
}

#[test]
fn a_removed_subscription_does_not_come_back_from_the_cache() {
    check(|submitters_commit| {
        let (_machine, store) = Machine::start(submitters_commit);
        let find = |store: &EmbeddedStore| block_on(store.subscription(AGENT, SUBSCRIPTION)).unwrap();
        let readers = [store.handle(), store.handle()].map(|store| {
            thread::spawn(move || {
                for _ in 0..3 {
                    find(&store);
                }
            })
        });
        commit(&store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION)]).unwrap();
        assert_eq!(find(&store), None);
        commit(&store, vec![Op::Subscribe(subscription())]).unwrap();
        assert!(find(&store).is_some());
        commit(&store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION)]).unwrap();
        readers.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(find(&store), None);
    });
}
