//! A run: nodes, agents and senders, and the steps in which time passes.

mod faults;
mod migration;

use crate::agent::{Agent, AgentProtocol};
use crate::clock::NodeClock;
use crate::executor::{Executor, TaskOwner};
use crate::history::{Event, History};
use crate::node::{Node, Storage};
use crate::scenario::{FaultKind, Scenario};
use crate::shared::Shared;
use crate::{monitor, sender};
use faults::Action;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, Position};
use webpush_core::protocol::autopush::names;
use webpush_core::protocol::chromium::DeviceCredentials;
use webpush_core::session::Scope;
use webpush_core::urgency::Urgency;
use webpush_store::Quota;
use webpush_store::memory::MemoryStore;
use webpush_store::simulation::{DiskFaults, Random, SimulatedDisk};

/// How far the clock of a node may be off, in milliseconds.
const SKEW_MILLIS: u64 = 30_000;
/// How long agents stay connected at the end. Longer than every timeout that can hold a message back.
const SETTLE: Duration = Duration::from_secs(300);
/// Turns without time passing, after which tasks are taken to wake each other forever.
const MAX_TURNS: usize = 100_000;

/// A run.
pub struct World {
    scenario: Scenario,
    /// For sizes and times of steps.
    random: Random,
    /// For faults, so that steps do not change if faults are removed.
    faults_random: Random,
    /// For the writer's background tasks.
    tasks_random: Random,
    shared: Rc<Shared>,
    nodes: Vec<Node>,
    agents: Vec<Rc<Agent>>,
    /// Later events, by time.
    actions: Vec<(Instant, Action)>,
    disk_faults: DiskFaults,
    /// A lost store ends the run early.
    is_over: bool,
}

/// Carries out a scenario, and returns its history.
///
/// # Errors
/// Fails if no runtime can be created.
pub fn run(scenario: &Scenario) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let history = async {
        let mut world = World::new(scenario.clone())?;
        world.run().await;
        anyhow::Ok(world.shared.history.take())
    };
    // A task would otherwise have to yield to the runtime, which runs no others.
    runtime.block_on(tokio::task::unconstrained(history))
}

impl World {
    fn new(scenario: Scenario) -> anyhow::Result<Self> {
        let (seed, start) = (scenario.seed, Instant::now());
        let clock = NodeClock::new(start);
        let quota = Quota { messages: scenario.quota, ..Quota::default() };
        let nodes: Vec<_> = if scenario.cluster_nodes == 0 {
            let disk = SimulatedDisk::new(seed, &clock.disk);
            vec![Node::new(0, seed, clock.clone(), Storage::Embedded(disk), quota)]
        } else {
            let store = Rc::new(MemoryStore::shared_with_quota(quota));
            let node = |number: usize| {
                let storage = Storage::Cluster(Rc::clone(&store));
                Node::new(number, seed ^ ((number as u64 + 1) << 32), NodeClock::new(start), storage, quota)
            };
            (0..scenario.cluster_nodes).map(node).collect()
        };
        let shared = Rc::new(Shared::new(nodes.len(), Executor::default(), History::new(clock))?);
        let agent = |(number, protocol): &(usize, AgentProtocol)| {
            let seed = Random::new(seed.wrapping_add(*number as u64)).number();
            Rc::new(Agent::new(*number, *protocol, seed))
        };
        let agents = scenario.agents.iter().map(agent).collect();
        let random = |salt: u64| Random::new(Random::new(seed ^ salt).number());
        Ok(Self {
            random: random(1),
            faults_random: random(2),
            tasks_random: random(3),
            scenario,
            shared,
            nodes,
            agents,
            actions: Vec::new(),
            disk_faults: faults::no_faults(),
            is_over: false,
        })
    }

    async fn run(&mut self) {
        let Scenario { seed, is_safety, quota, .. } = self.scenario;
        let store = if self.scenario.cluster_nodes == 0 { "embedded" } else { "cluster" };
        let skew = if self.scenario.faults.contains(&FaultKind::Skew) { SKEW_MILLIS } else { 0 };
        self.shared.record(&Event::Run { seed, store, safety: is_safety, skew, quota });
        self.apply_disk_faults();
        for node in 0..self.nodes.len() {
            self.start_node(node);
        }
        for agent in &self.agents {
            agent.start(&self.shared);
        }
        for step in 0..self.scenario.steps {
            if self.is_over {
                return self.shared.record(&Event::End);
            }
            if step < self.scenario.fault_steps && self.faults_random.one_in(self.scenario.fault_one_in) {
                self.begin_fault();
            }
            for _ in 0..self.random.below(4) {
                sender::send(&self.shared, &mut self.random);
            }
            let length = self.step_length();
            self.pass(length).await;
        }
        self.settle().await;
        self.shared.record(&Event::End);
    }

    fn step_length(&mut self) -> Duration {
        let random = &mut self.random;
        let hours = random.one_in(self.scenario.hours_one_in);
        let bound = if hours { 6 * 3_600_000 } else { [20, 300, 300, 3_000, 60_000][random.index(5)] };
        Duration::from_millis(random.below(bound))
    }

    /// Lets time pass: runs tasks, stores and actions that are due.
    async fn pass(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while !self.is_over {
            self.turn();
            if self.restore_power() || self.run_due_actions().await {
                continue;
            }
            let now = Instant::now();
            if end <= now {
                return;
            }
            let work = self.nodes.iter().filter_map(Node::next_work).min();
            let work = work.map(|wait| now + wait.max(Duration::from_millis(1)));
            let action = self.actions.iter().map(|(at, _)| *at).min();
            self.wait(work.into_iter().chain(action).fold(end, Instant::min)).await;
        }
    }

    /// Runs everything that can run without time passing.
    fn turn(&mut self) {
        for node in &mut self.nodes {
            if node.next_work() == Some(Duration::ZERO) {
                node.tick(self.tasks_random.one_in(2));
            }
        }
        for _ in 0..MAX_TURNS {
            let mut has_run = self.shared.executor.run_woken();
            for node in &mut self.nodes {
                has_run |= node.step();
            }
            if !has_run {
                return;
            }
        }
        let kind = "endless-loop";
        self.shared.record(&Event::Fault { kind, on: true, at: 0 });
        self.is_over = true;
    }

    /// Waits until a task can run, or until this time.
    async fn wait(&self, until: Instant) {
        let mut sleep = pin!(sleep_until(until));
        poll_fn(|cx| {
            let is_woken = self.shared.executor.poll_woken(cx);
            if is_woken { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
        })
        .await;
    }

    /// Ends all faults, and lets the agents receive everything that they are owed.
    async fn settle(&mut self) {
        self.end_faults();
        for node in 0..self.nodes.len() {
            if self.scenario.is_safety {
                self.cut_power(node);
                self.start_node(node);
            } else if self.nodes[node].process.is_none() || !self.shared.network.is_up(node) {
                self.nodes[node].crash(&self.shared.executor, &self.shared.network);
                self.start_node(node);
            }
        }
        self.shared.record(&Event::Settle);
        self.shared.is_settling.set(true);
        self.shared.executor.kill(TaskOwner::Sender);
        self.shared.executor.kill(TaskOwner::Monitor);
        for agent in &self.agents {
            agent.kill(&self.shared);
            agent.start(&self.shared);
        }
        let inboxes = self.shared.receipt_inboxes.borrow().clone();
        for (number, inbox) in (1..).zip(inboxes) {
            monitor::start(&self.shared, inbox, self.scenario.seed ^ number);
        }
        self.pass(SETTLE).await;
        for agent in self.agents.clone() {
            let n = self.remaining(&agent).await;
            self.shared.record(&Event::Remaining { a: agent.number, n });
        }
    }

    /// Returns the number of messages that are stored for an agent.
    async fn remaining(&self, agent: &Agent) -> usize {
        let Some(process) = self.nodes[0].process.as_ref() else { return 0 };
        let service = &process.service;
        let Some(identity) = agent.identity() else { return 0 };
        let inbox: Option<InboxId> = match agent.protocol {
            AgentProtocol::Autopush => names::agent(&identity),
            AgentProtocol::Chromium => identity.split_once(':').and_then(|(id, token)| {
                DeviceCredentials::parse(id, token).map(|credentials| credentials.inbox())
            }),
            AgentProtocol::ServerPush | AgentProtocol::Events => match service.keyring.open(&identity) {
                Some(Capability::SubscriptionSet(inbox)) => Some(inbox),
                _ => None,
            },
        };
        let Some(inbox) = inbox else { return 0 };
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        let page = service.fetch(None, &scope, Position::START, service.now()).await;
        page.map_or(usize::MAX, |page| page.entries.len())
    }
}
