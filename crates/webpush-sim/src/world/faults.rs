//! Faults: when they begin, and when they end.

use super::{SKEW_MILLIS, World};
use crate::executor::TaskOwner;
use crate::history::Event;
use crate::node::Storage;
use crate::scenario::FaultKind;
use std::time::Duration;
use tokio::time::Instant;
use webpush_core::capability::KeyId;
use webpush_store::memory::Faults;
use webpush_store::simulation::{DiskFaults, SimulatedDisk};

/// Something that happens later.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A process that was told to shut down ends.
    Stop(usize),
    /// A process that has ended starts.
    Start(usize),
    /// The store of a process that was told to shut down moves to another disk.
    Migrate(usize),
    /// A fault of a node or an agent ends.
    End(FaultKind, usize),
    /// The process of an agent starts.
    StartAgent(usize),
    /// A node begins to use a sealing key.
    SealWith(usize, KeyId),
}

/// The size of a disk that is not full, in bytes. A store that does not know it stays full.
const ROOM: u64 = 1 << 40;

/// Returns the state of a disk that works.
pub(super) fn no_faults() -> DiskFaults {
    DiskFaults { capacity: Some(ROOM), ..DiskFaults::default() }
}

impl World {
    /// Begins a fault of a kind that is enabled.
    pub(super) fn begin_fault(&mut self) {
        let kinds: Vec<_> = self.scenario.faults.iter().copied().collect();
        let Some(kind) = kinds.get(self.faults_random.index(kinds.len())).copied() else { return };
        let node = self.faults_random.index(self.nodes.len());
        let agent = self.faults_random.index(self.agents.len());
        match kind {
            FaultKind::PowerCut
            | FaultKind::FailingDisk
            | FaultKind::FullDisk
            | FaultKind::SlowDisk
            | FaultKind::ShortReads
            | FaultKind::LyingDisk => self.begin_disk_fault(kind),
            FaultKind::Crash => self.crash(node),
            FaultKind::Restart | FaultKind::Migration => {
                if !self.shared.network.is_up(node) {
                    return;
                }
                self.record_fault(kind, true, node);
                self.nodes[node].begin_drain(&self.shared.executor, &self.shared.network);
                let then =
                    if kind == FaultKind::Restart { Action::Stop(node) } else { Action::Migrate(node) };
                self.later(8_000, then);
            }
            FaultKind::KeyRotation => self.rotate_keys(),
            FaultKind::Vanish | FaultKind::Stall => self.begin_agent_fault(kind, agent),
            FaultKind::Partition | FaultKind::LostAnswers | FaultKind::Pause => {
                self.begin_node_fault(kind, node);
            }
            FaultKind::LostNotices | FaultKind::DelayedNotices => {
                self.record_fault(kind, true, 0);
                if let Some(faults) = self.database() {
                    match kind {
                        FaultKind::LostNotices => faults.lose_notices(true),
                        _ => faults.delay_notices(true),
                    }
                }
                self.end_later(kind, 0);
            }
            FaultKind::Skew => {
                let millis = self.faults_random.below(2 * SKEW_MILLIS);
                let skew = i64::try_from(millis).unwrap_or_default() - SKEW_MILLIS as i64;
                self.record_fault(kind, true, node);
                self.nodes[node].clock.set_skew(skew);
                self.end_later(kind, node);
            }
        }
    }

    fn record_fault(&self, kind: FaultKind, on: bool, at: usize) {
        self.shared.record(&Event::Fault { kind: kind.as_str(), on, at });
    }

    fn later(&mut self, millis: u64, action: Action) {
        self.actions.push((Instant::now() + Duration::from_millis(millis), action));
    }

    fn end_later(&mut self, kind: FaultKind, at: usize) {
        let bound = [300, 10_000, 120_000][self.faults_random.index(3)];
        let millis = 1 + self.faults_random.below(bound);
        self.later(millis, Action::End(kind, at));
    }

    fn disk(&self) -> Option<&SimulatedDisk> {
        match &self.nodes[0].storage {
            Storage::Embedded(disk) => Some(disk),
            Storage::Cluster(_) => None,
        }
    }

    /// Returns the faults of all handles to the database.
    fn database(&self) -> Option<Faults> {
        match &self.nodes[0].storage {
            Storage::Embedded(_) => None,
            Storage::Cluster(store) => Some(store.faults()),
        }
    }

    fn begin_disk_fault(&mut self, kind: FaultKind) {
        let Some(at) = self.disk().map(SimulatedDisk::operations) else { return };
        let random = &mut self.faults_random;
        match kind {
            FaultKind::PowerCut => self.disk_faults.power_cut_at = Some(at + random.below(30)),
            FaultKind::FailingDisk => {
                let first = at + random.below(20);
                self.disk_faults.failing = first..first + 1 + random.below(6);
            }
            FaultKind::FullDisk => self.disk_faults.capacity = Some(random.below(120_000)),
            FaultKind::SlowDisk => self.disk_faults.longest_delay = Duration::from_millis(3),
            FaultKind::ShortReads => self.disk_faults.short_reads = true,
            _ => self.disk_faults.lying_syncs = true,
        }
        self.record_fault(kind, true, 0);
        self.apply_disk_faults();
        if kind != FaultKind::PowerCut {
            self.end_later(kind, 0);
        }
    }

    pub(super) fn apply_disk_faults(&self) {
        if let Some(disk) = self.disk() {
            disk.set_faults(self.disk_faults.clone());
        }
    }

    fn begin_agent_fault(&mut self, kind: FaultKind, index: usize) {
        let Some(agent) = self.agents.get(index).cloned() else { return };
        self.record_fault(kind, true, agent.number);
        if kind == FaultKind::Vanish {
            agent.kill(&self.shared);
            let millis = 1 + self.faults_random.below(60_000);
            self.later(millis, Action::StartAgent(index));
        } else {
            self.shared.executor.pause(TaskOwner::Agent(agent.number), true);
            self.end_later(kind, index);
        }
    }

    fn begin_node_fault(&mut self, kind: FaultKind, node: usize) {
        let Some(faults) = self.nodes[node].process.as_ref().and_then(|process| process.faults.clone())
        else {
            return;
        };
        self.record_fault(kind, true, node);
        match kind {
            FaultKind::Partition => faults.cut_off(true),
            FaultKind::LostAnswers => faults.lose_answers(true),
            _ => {
                faults.hold_commits();
                self.shared.executor.pause(TaskOwner::Node(node), true);
            }
        }
        self.end_later(kind, node);
    }

    fn rotate_keys(&mut self) {
        let number = u8::try_from(self.nodes[0].keys.len() + 1).unwrap_or(u8::MAX);
        let key = (KeyId(number), [number; 32]);
        self.record_fault(FaultKind::KeyRotation, true, 0);
        for node in 0..self.nodes.len() {
            self.nodes[node].add_key(key, false);
            let millis = self.faults_random.below(30_000);
            self.later(millis, Action::SealWith(node, key.0));
        }
    }

    fn crash(&mut self, node: usize) {
        if self.nodes[node].process.is_none() {
            return;
        }
        self.record_fault(FaultKind::Crash, true, node);
        self.nodes[node].crash(&self.shared.executor, &self.shared.network);
        let millis = 1 + self.faults_random.below(10_000);
        self.later(millis, Action::Start(node));
    }

    /// Starts a node again after its disk has lost power. Returns true if that was so.
    pub(super) fn restore_power(&mut self) -> bool {
        if !self.disk().is_some_and(SimulatedDisk::is_off) {
            return false;
        }
        // The power may fail again while the store recovers.
        for attempt in 0..4 {
            self.cut_power(0);
            if attempt < 3 && self.faults_random.one_in(3) {
                let at = self.disk().map(SimulatedDisk::operations).unwrap_or_default();
                self.disk_faults.power_cut_at = Some(at + self.faults_random.below(25));
                self.apply_disk_faults();
            }
            self.start_node(0);
            if !self.disk().is_some_and(SimulatedDisk::is_off) {
                break;
            }
        }
        true
    }

    /// Cuts the power of a node, and restores it. The disk has no faults after that.
    pub(super) fn cut_power(&mut self, node: usize) {
        self.record_fault(FaultKind::PowerCut, true, node);
        self.nodes[node].crash(&self.shared.executor, &self.shared.network);
        if let Some(disk) = self.disk() {
            disk.restart();
        }
        self.disk_faults = no_faults();
        self.apply_disk_faults();
    }

    /// Starts a node that is not running.
    pub(super) fn start_node(&mut self, node: usize) {
        if self.nodes[node].process.is_some() {
            return;
        }
        let started = self.nodes[node].start(&self.shared.executor, &self.shared.network);
        let is_off = self.disk().is_some_and(SimulatedDisk::is_off);
        match started {
            Ok(()) => self.shared.record(&Event::Opened { node, error: None }),
            // The power has failed meanwhile.
            Err(_) if is_off => {}
            // A service manager tries again.
            Err(_) if self.has_failing_disk() => self.later(2000, Action::Start(node)),
            Err(error) => {
                self.shared.record(&Event::Opened { node, error: Some(error) });
                self.is_over = true;
            }
        }
    }

    /// Returns true if operations of the disk may fail.
    fn has_failing_disk(&self) -> bool {
        let DiskFaults { failing, capacity, .. } = &self.disk_faults;
        failing.end > failing.start || *capacity < Some(ROOM)
    }

    /// Ends all faults now.
    pub(super) fn end_faults(&mut self) {
        for (_, action) in std::mem::take(&mut self.actions) {
            match action {
                Action::End(kind, at) => self.end_fault(kind, at),
                // The settled state has all nodes and agents anyway.
                Action::Stop(_)
                | Action::Start(_)
                | Action::Migrate(_)
                | Action::StartAgent(_)
                | Action::SealWith(..) => {}
            }
        }
        self.disk_faults = no_faults();
        self.apply_disk_faults();
    }

    fn end_fault(&mut self, kind: FaultKind, at: usize) {
        let faults = self.nodes.get(at).and_then(|node| node.process.as_ref()?.faults.clone());
        match kind {
            FaultKind::FailingDisk => self.disk_faults.failing = 0..0,
            FaultKind::FullDisk => self.disk_faults.capacity = Some(ROOM),
            FaultKind::SlowDisk => self.disk_faults.longest_delay = Duration::ZERO,
            FaultKind::ShortReads => self.disk_faults.short_reads = false,
            FaultKind::LyingDisk => self.disk_faults.lying_syncs = false,
            FaultKind::Stall => self.shared.executor.pause(TaskOwner::Agent(self.agents[at].number), false),
            FaultKind::Partition => faults.iter().for_each(|faults| faults.cut_off(false)),
            FaultKind::LostAnswers => faults.iter().for_each(|faults| faults.lose_answers(false)),
            FaultKind::Pause => {
                faults.iter().for_each(Faults::release_commits);
                self.shared.executor.pause(TaskOwner::Node(at), false);
            }
            FaultKind::LostNotices => self.database().iter().for_each(|faults| faults.lose_notices(false)),
            FaultKind::DelayedNotices => {
                self.database().iter().for_each(|faults| faults.delay_notices(false));
            }
            FaultKind::Skew => self.nodes[at].clock.set_skew(0),
            FaultKind::PowerCut
            | FaultKind::Crash
            | FaultKind::Restart
            | FaultKind::Migration
            | FaultKind::KeyRotation
            | FaultKind::Vanish => {}
        }
        self.apply_disk_faults();
        let at = if kind == FaultKind::Stall { self.agents[at].number } else { at };
        self.record_fault(kind, false, at);
    }

    /// Carries out what is due. Returns false if nothing was.
    pub(super) async fn run_due_actions(&mut self) -> bool {
        let now = Instant::now();
        let all = std::mem::take(&mut self.actions);
        let (due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at <= now);
        self.actions = later;
        let has_run = !due.is_empty();
        for (_, action) in due {
            self.carry_out(action).await;
        }
        has_run
    }

    async fn carry_out(&mut self, action: Action) {
        match action {
            // It may have crashed and started again meanwhile.
            Action::Stop(node) | Action::Migrate(node) if self.shared.network.is_up(node) => {}
            Action::Stop(node) => {
                self.nodes[node].stop(&self.shared.executor, &self.shared.network);
                self.later(500, Action::Start(node));
            }
            Action::Migrate(node) => {
                self.nodes[node].stop(&self.shared.executor, &self.shared.network);
                if !self.disk().is_some_and(SimulatedDisk::is_off) {
                    self.migrate(node).await;
                }
                self.later(500, Action::Start(node));
            }
            Action::Start(node) => self.start_node(node),
            Action::End(kind, at) => self.end_fault(kind, at),
            Action::StartAgent(index) => {
                if let Some(agent) = self.agents.get(index) {
                    // A second fault may have begun since.
                    agent.kill(&self.shared);
                    agent.start(&self.shared);
                }
            }
            Action::SealWith(node, id) => {
                if let Some(process) = &self.nodes[node].process {
                    let _ = process.service.keyring.set_current(id);
                }
            }
        }
    }
}
