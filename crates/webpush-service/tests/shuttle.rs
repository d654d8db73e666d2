//! Sessions, their registration and traces in interleavings of threads that shuttle chooses.
//!
//! `cargo test -p webpush-service --features shuttle --test shuttle`; `SHUTTLE_ITERATIONS=N` tries more of them. A failure
//! prints the schedule, which `shuttle::replay` repeats.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};
use std::future::poll_fn;
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, OutboundEntry, Owner};
use webpush_core::message::Draft;
use webpush_core::session::{Command, Input, Scope, Session, WaitMode};
use webpush_core::subscription::{Protocol, ProtocolKind, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_service::session_registry::{SessionHandle, SessionRegistry, TransportKind};
use webpush_service::trace::{Stage, TraceConfig, Traces};
use webpush_store::contract::block_on;
use webpush_store::memory::MemoryStore;
use webpush_store::simulation::{self, SimulatedClock};
use webpush_store::{Applied, CommitEvent, CommitObserver, Durability, Op, Store};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const SCOPE: Scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
const NOW: Timestamp = Timestamp::from_millis(1000);
/// Interleavings of each test and scheduler.
const ITERATIONS: usize = 2000;
/// Places at which the PCT scheduler prefers another thread.
const PREEMPTIONS: usize = 3;
/// The default is too small for a build without optimization.
const STACK_BYTES: usize = 1 << 19;

fn check(test: fn()) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS").ok().and_then(|number| number.parse().ok());
    let iterations = iterations.unwrap_or(ITERATIONS);
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(RandomScheduler::new(iterations), config.clone()).run(test);
    Runner::new(PctScheduler::new(PREEMPTIONS, iterations), config).run(test);
}

/// Tells sessions of commits as the service does.
struct Announcer(Arc<SessionRegistry>);

impl CommitObserver for Announcer {
    fn committed(&self, event: &CommitEvent<'_>) {
        self.0.announce(event.applied);
        for change in event.applied {
            if let Applied::Removed(removed) = change {
                self.0.end_sessions(removed.inbox, removed.subscription);
            }
        }
    }

    fn failed(&self) {}

    fn missed(&self) {}
}

fn service() -> (Arc<MemoryStore>, Arc<SessionRegistry>) {
    let (store, registry) = (Arc::new(MemoryStore::default()), Arc::<SessionRegistry>::default());
    store.watch(Arc::new(Announcer(Arc::clone(&registry))));
    let (created, key) = (NOW, KeyId(1));
    let (sender, protocol) = (None, Protocol::Rfc8030);
    let subscription = Subscription { agent: AGENT, id: SUBSCRIPTION, created, key, sender, protocol };
    commit(&store, Op::CreateInbox(Inbox { id: AGENT, owner: Owner::Agent, created, key }));
    commit(&store, Op::Subscribe(subscription));
    (store, registry)
}

fn commit(store: &MemoryStore, op: Op) {
    store.commit(vec![op], Durability::Durable, Box::new(drop));
}

fn draft(number: u8) -> Draft {
    Draft {
        id: MessageId::from_bytes([number; 16]),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: NOW,
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::new(),
    }
}

fn sender(store: &Arc<MemoryStore>, numbers: std::ops::Range<u8>) -> JoinHandle<()> {
    let store = Arc::clone(store);
    thread::spawn(move || numbers.for_each(|number| commit(&store, Op::Append(draft(number)))))
}

fn register(registry: &Arc<SessionRegistry>) -> SessionHandle {
    registry.register(&SCOPE, TransportKind::Events).unwrap()
}

fn wait(handle: &SessionHandle) {
    shuttle::future::block_on(poll_fn(|cx| handle.poll_notified(cx)));
}

/// Runs a session until it has delivered `count` messages, as the driver of connections does.
fn receive(store: &MemoryStore, handle: &SessionHandle, count: usize) -> Vec<Position> {
    let mut session = Session::new(SCOPE, WaitMode::Indefinite, None);
    let mut delivered = Vec::new();
    loop {
        while let Some(command) = session.next_command() {
            match command {
                Command::Fetch { after } => {
                    let page = block_on(store.fetch(&SCOPE, after, NOW)).unwrap();
                    thread::yield_now();
                    session.handle(Input::Fetched(page), NOW);
                }
                Command::Deliver(entry) => {
                    delivered.push(entry.entry_ref().position);
                    session.handle(Input::Sent { confirmed: false }, NOW);
                }
                other => unreachable!("{other:?}"),
            }
        }
        if delivered.len() >= count {
            return delivered;
        }
        match handle.take_if(|wakeup| wakeup.update.is_some()).and_then(|wakeup| wakeup.update) {
            Some(update) => session.handle(Input::Update(*update), NOW),
            None => wait(handle),
        }
    }
}

#[test]
fn a_session_delivers_each_message_once_and_in_order() {
    check(|| {
        let (store, registry) = service();
        let senders = [sender(&store, 0..3), sender(&store, 10..13)];
        let sessions = [(); 2].map(|()| {
            let (store, registry) = (Arc::clone(&store), Arc::clone(&registry));
            thread::spawn(move || receive(&store, &register(&registry), 6))
        });
        for delivered in sessions.map(|session| session.join().unwrap()) {
            let expected: Vec<_> = (1..=6).map(Position::new).collect();
            assert_eq!(delivered, expected);
        }
        senders.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn of_two_websockets_of_an_agent_one_is_superseded() {
    check(|| {
        let registry = Arc::<SessionRegistry>::default();
        let connect = || {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.register_exclusive(&SCOPE, TransportKind::Autopush))
        };
        let connections = [connect(), connect(), connect()];
        let handles = connections.map(|connection| connection.join().unwrap());
        let superseded = handles.iter().filter(|handle| handle.take_if(|wakeup| wakeup.superseded).is_some());
        assert_eq!(superseded.count(), 2);
    });
}

#[test]
fn a_session_that_finds_its_subscription_hears_of_its_removal() {
    check(|| {
        let (store, registry) = service();
        let removing = Arc::clone(&store);
        let removal = thread::spawn(move || commit(&removing, Op::Unsubscribe(AGENT, SUBSCRIPTION)));
        let scope = Scope { subscription: Some(SUBSCRIPTION), ..SCOPE };
        let handle = registry.register(&scope, TransportKind::Rfc8030).unwrap();
        thread::yield_now();
        if block_on(store.subscription(AGENT, SUBSCRIPTION)).unwrap().is_some() {
            // A notification that is lost would block this thread forever, which shuttle reports.
            while handle.take_if(|wakeup| wakeup.removed).is_none() {
                wait(&handle);
            }
        }
        removal.join().unwrap();
    });
}

#[test]
fn an_offer_reaches_the_sessions_that_it_counts() {
    check(|| {
        let registry = Arc::<SessionRegistry>::default();
        let sessions = [(); 2].map(|()| {
            let registry = Arc::clone(&registry);
            thread::spawn(move || register(&registry))
        });
        let live = OutboundEntry::Unstored(Arc::new(Draft { expires: NOW, ..draft(1) }));
        let offered = registry.offer(&live).sessions;
        let handles = sessions.map(|session| session.join().unwrap());
        let took = |handle: &&SessionHandle| {
            handle
                .take_if(|wakeup| wakeup.update.as_ref().is_some_and(|update| update.live.len() == 1))
                .is_some()
        };
        assert_eq!(handles.iter().filter(took).count(), offered);
    });
}

#[test]
fn sessions_that_have_ended_leave_nothing_behind() {
    check(|| {
        let (store, registry) = service();
        let sending = sender(&store, 0..3);
        let sessions = [(); 3].map(|()| {
            let registry = Arc::clone(&registry);
            thread::spawn(move || drop(register(&registry)))
        });
        sessions.into_iter().chain([sending]).for_each(|thread| thread.join().unwrap());
        assert!(!registry.has_session(AGENT));
        let (open, opened) =
            (registry.session_count(TransportKind::Events), registry.opened_count(TransportKind::Events));
        assert_eq!((open, opened), (0, 3));
    });
}

#[test]
fn a_trace_is_never_seen_half_written() {
    check(|| {
        let env = simulation::env(&SimulatedClock::default(), 1);
        // One set of rows, whose oldest message each new one replaces.
        let config = TraceConfig { messages: 8, ..TraceConfig::default() };
        let traces = Arc::new(Traces::new(config, env));
        let writers = [0..6, 10..16].map(|numbers: std::ops::Range<u8>| {
            let traces = Arc::clone(&traces);
            thread::spawn(move || {
                for number in numbers {
                    traces.begin(&draft(number), ProtocolKind::Rfc8030);
                    traces.record_stored(&draft(number).into_message(Position::new(number.into())));
                }
            })
        });
        for _ in 0..3 {
            for trace in traces.iter() {
                let expected = trace.entry.message.as_bytes()[0];
                let position = if trace.at(Stage::Stored).is_some() { expected } else { 0 };
                assert_eq!(trace.entry.position, Position::new(position.into()));
            }
        }
        writers.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(traces.iter().count(), 8);
    });
}
