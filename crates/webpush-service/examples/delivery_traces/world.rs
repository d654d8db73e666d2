//! Agents and senders on two nodes, or on a server whose power fails, with random steps.

use crate::agent_connection::{AgentConnection, Kind};
use crate::machine::Machine;
use crate::recorder::{AGENT, Observer, Recorder, SENDER};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::env::{Clock, Env};
use webpush_core::id::{MessageId, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_service::catch_up;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_store::disk::Disk;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::memory::{Faults, MemoryStore};
use webpush_store::simulation::{self, DiskFaults, Random, SimulatedClock, SimulatedDisk};
use webpush_store::{Applied, Backend, Detail, Op, Record, Store};

const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const STEPS: usize = 40;
/// Sessions that are open at the same time.
const SESSIONS: usize = 4;
/// Long enough for two nodes to tell all their sessions to read again.
const CATCH_UP: Duration = Duration::from_secs(10);

pub(crate) struct World {
    seed: u64,
    random: Random,
    clock: SimulatedClock,
    recorder: Recorder,
    deployment: Deployment,
    machine: Machine,
    nodes: Vec<Arc<Service>>,
    sessions: Vec<AgentConnection>,
    opened: usize,
    messages: u32,
}

/// How the service is deployed.
enum Deployment {
    Cluster { faults: Faults, loses_notices: bool, tasks: Vec<JoinHandle<()>> },
    Server { disk: SimulatedDisk },
}

impl World {
    pub(crate) async fn new(seed: u64) -> Self {
        let clock = SimulatedClock::default();
        let recorder = Recorder::new(clock.now());
        let is_cluster = seed.is_multiple_of(2);
        let (deployment, nodes) = if is_cluster {
            let store = MemoryStore::shared();
            let faults = store.faults();
            let stores = [store.handle(), store];
            let env = |node| simulation::env(&clock, seed + node);
            let nodes: Vec<_> = (0..)
                .zip(stores)
                .map(|(node, store)| service(store, node, &env(node as u64), &recorder))
                .collect();
            let tasks = nodes.iter().map(|node| catch_up::start(Arc::clone(node))).collect();
            (Deployment::Cluster { faults, loses_notices: false, tasks }, nodes)
        } else {
            (Deployment::Server { disk: SimulatedDisk::new(seed, &clock) }, Vec::new())
        };
        let random = Random::new(seed ^ 0x007a_ce5e_ed00);
        let machine = Machine::default();
        let (sessions, opened, messages) = (Vec::new(), 0, 0);
        let mut world =
            Self { seed, random, clock, recorder, deployment, machine, nodes, sessions, opened, messages };
        if !is_cluster {
            world.open_store().await;
        }
        world.create_inboxes().await;
        world
    }

    async fn create_inboxes(&mut self) {
        let (created, key) = (self.clock.now(), KeyId(1));
        let inbox = |id, owner| Op::CreateInbox(Inbox { id, owner, created, key });
        let (sender, protocol) = (None, Protocol::Rfc8030);
        let subscription = Subscription { agent: AGENT, id: SUBSCRIPTION, created, key, sender, protocol };
        let ops =
            vec![inbox(AGENT, Owner::Agent), inbox(SENDER, Owner::Receipts), Op::Subscribe(subscription)];
        self.machine.commit(&self.nodes[0], ops).await.unwrap();
    }

    /// Opens the embedded store, and returns its entries.
    async fn open_store(&mut self) -> Vec<Entry> {
        let Deployment::Server { disk } = &self.deployment else {
            panic!("only a server has a store of its own")
        };
        let env = simulation::env(&self.clock, self.random.number());
        let mut options =
            Options { env: env.clone(), disk: Disk::Simulated(disk.clone()), ..Options::default() };
        options.memtable.age = Duration::from_secs(2);
        options.memtable.bytes = 4000;
        let opened = EmbeddedStore::open_stepped(Path::new("/store"), options);
        let (store, stepper) = opened.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        let entries =
            store.snapshot(&Detail::EVERYTHING).await.unwrap().filter_map(|record| match record.unwrap() {
                Record::Entry(entry) => Some(entry),
                _ => None,
            });
        let entries = entries.collect();
        self.nodes = vec![service(store, 0, &env, &self.recorder)];
        self.machine.stepper = Some(stepper);
        entries
    }

    /// Runs the world, and returns its trace.
    pub(crate) async fn run(mut self) -> Vec<String> {
        for _ in 0..STEPS {
            self.advance().await;
            self.step().await;
            if matches!(&self.deployment, Deployment::Server { disk } if disk.is_off()) {
                self.restart(false).await;
            }
        }
        if matches!(self.deployment, Deployment::Cluster { loses_notices: true, .. }) {
            self.lose_notices(false).await;
        }
        let mut sessions = std::mem::take(&mut self.sessions);
        for session in &mut sessions {
            session.become_idle(&mut self.machine).await;
        }
        if let Deployment::Cluster { tasks, .. } = &self.deployment {
            tasks.iter().for_each(JoinHandle::abort);
        }
        self.recorder.take_events()
    }

    async fn advance(&mut self) {
        let millis = match self.random.below(20) {
            0 => 1000 * self.random.below(90),
            1 | 2 => 1 + self.random.below(3000),
            3..12 => 1 + self.random.below(20),
            _ => return,
        };
        let target = self.clock.now().after(Duration::from_millis(millis));
        if millis > 1000 {
            self.redeliver_until(target).await;
        }
        self.advance_to(target);
    }

    /// Lets held requests send again when they have to, as long as their transports are fast.
    async fn redeliver_until(&mut self, target: Timestamp) {
        let Self { sessions, machine, .. } = self;
        for session in sessions.iter_mut().filter(|session| session.is_held()) {
            session.become_idle(machine).await;
        }
        while let Some(due) = self.sessions.iter().filter_map(AgentConnection::redelivery).min()
            && due <= target
        {
            self.advance_to(due);
            let Self { sessions, machine, .. } = self;
            for session in sessions.iter_mut().filter(|session| session.redelivery() == Some(due)) {
                session.become_idle(machine).await;
            }
        }
    }

    fn advance_to(&self, time: Timestamp) {
        self.clock.advance(self.clock.now().until(time));
        self.recorder.advance(self.clock.now());
    }

    async fn step(&mut self) {
        let node = self.random.index(self.nodes.len());
        let service = Arc::clone(&self.nodes[node]);
        match self.random.below(40) {
            0..9 => self.publish(&service).await,
            9..14 => self.open(node),
            14 => self.close(),
            15..22 => self.run_session().await,
            22..27 => self.become_idle().await,
            27..33 => self.acknowledge().await,
            33 => self.machine.settle_now(&service),
            34 => self.machine.submit_settled(&service),
            // After a failure the machine starts again.
            35 => drop(self.machine.expire(&service).await),
            36 => self.machine.work(),
            _ => self.disturb().await,
        }
    }

    async fn publish(&mut self, service: &Service) {
        let count = if self.random.one_in(30) { 40 } else { 1 + self.random.below(4) };
        let ops = (0..count).map(|_| Op::Append(self.draft(service))).collect();
        let Ok(applied) = self.machine.commit(service, ops).await else { return };
        for result in applied {
            let Applied::Appended(appended) = result else { panic!("the message was not stored") };
            self.recorder.record(format!("Confirm({})", appended.message.position.get()));
        }
    }

    fn draft(&mut self, service: &Service) -> Draft {
        self.messages += 1;
        let accepted = service.now();
        let ttl = [50, 2000, 100_000, 3_600_000][self.random.index(4)];
        Draft {
            id: MessageId::from_bytes(u128::from(self.messages).to_be_bytes()),
            agent: AGENT,
            subscription: SUBSCRIPTION,
            accepted,
            expires: accepted.after(Duration::from_millis(ttl)),
            urgency: Urgency::Normal,
            topic: self.random.one_in(5).then(|| Topic::parse(b"news").unwrap()),
            encoding: Encoding::default(),
            key: KeyId(1),
            receipt: self.random.one_in(3).then_some(SENDER),
            body: Bytes::from(vec![self.messages as u8; self.random.index(200)]),
        }
    }

    fn open(&mut self, node: usize) {
        self.sessions.retain(|session| !session.is_over);
        let kind =
            [Kind::Exclusive, Kind::Exclusive, Kind::Held, Kind::Brief, Kind::Receipts][self.random.index(5)];
        // Receipts that another session has settled are sent again, as the documents say.
        let is_second = kind == Kind::Receipts && self.sessions.iter().any(|session| session.kind == kind);
        if self.sessions.len() < SESSIONS && !is_second {
            self.opened += 1;
            let service = &self.nodes[node];
            self.sessions.push(AgentConnection::open(self.opened, kind, node, service, &self.recorder));
        }
    }

    fn close(&mut self) {
        if !self.sessions.is_empty() {
            let mut session = self.sessions.swap_remove(self.random.index(self.sessions.len()));
            session.close();
        }
    }

    async fn run_session(&mut self) {
        let Self { random, sessions, machine, .. } = self;
        let Some(session) = chosen(sessions, random) else { return };
        session.run(machine).await;
        for _ in 0..random.below(5) {
            session.send(!random.one_in(4)).await;
        }
    }

    async fn become_idle(&mut self) {
        let Self { random, sessions, machine, .. } = self;
        let Some(session) = chosen(sessions, random) else { return };
        session.become_idle(machine).await;
    }

    async fn acknowledge(&mut self) {
        let Self { random, sessions, machine, .. } = self;
        let Some(session) = chosen(sessions, random) else { return };
        session.acknowledge(machine, |count| random.index(count)).await;
    }

    async fn disturb(&mut self) {
        match &self.deployment {
            Deployment::Cluster { loses_notices, .. } => self.lose_notices(!loses_notices).await,
            Deployment::Server { disk } => match self.random.below(4) {
                0 => self.restart(true).await,
                1 => disk.set_faults(DiskFaults {
                    power_cut_at: Some(disk.operations()),
                    ..DiskFaults::default()
                }),
                _ => {
                    let at = disk.operations() + self.random.below(12);
                    disk.set_faults(DiskFaults { power_cut_at: Some(at), ..DiskFaults::default() });
                }
            },
        }
    }

    /// Loses the notices between nodes, or tells the nodes that they may have missed some.
    async fn lose_notices(&mut self, lose: bool) {
        let Deployment::Cluster { faults, loses_notices, .. } = &mut self.deployment else { return };
        *loses_notices = lose;
        faults.lose_notices(lose);
        if !lose {
            tokio::time::sleep(CATCH_UP).await;
            (0..self.nodes.len()).for_each(|node| self.recorder.record(format!("CatchUp({node})")));
        }
    }

    /// Starts the machine again, after it was shut down or has lost its power.
    async fn restart(&mut self, is_shutdown: bool) {
        for session in &mut self.sessions {
            session.close();
        }
        self.sessions.clear();
        let stepper = self.machine.stepper.take();
        if is_shutdown && let Some(stepper) = stepper {
            stepper.close();
        }
        self.nodes.clear();
        if let Deployment::Server { disk } = &self.deployment {
            if !is_shutdown || disk.is_off() {
                disk.restart();
            }
            disk.set_faults(DiskFaults::default());
        }
        let attempts = self.machine.take_attempts();
        let entries = self.open_store().await;
        self.recorder.restart(&attempts, &entries, self.clock.now());
    }
}

fn chosen<'a>(sessions: &'a mut [AgentConnection], random: &mut Random) -> Option<&'a mut AgentConnection> {
    let count = sessions.len();
    if count == 0 { None } else { sessions.get_mut(random.index(count)) }
}

fn service<S: Store + Into<Backend>>(store: S, node: usize, env: &Env, recorder: &Recorder) -> Arc<Service> {
    store.watch(Arc::new(Observer { recorder: recorder.clone(), node }));
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let store: Arc<Backend> = Arc::new(store.into());
    Service::new(Setup { env: env.clone(), ..Setup::new(store, keyring, "https://push.example") })
}
