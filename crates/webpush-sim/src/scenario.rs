//! The configuration of a run, which follows from its seed.
//!
//! Each seed enables another subset of agents, faults and sizes ("swarm testing"): with everything enabled, runs would
//! resemble each other, and some faults would hide the effects of others.

use crate::agent::AgentProtocol;
use std::collections::BTreeSet;
use webpush_store::simulation::Random;

/// A kind of fault, or another event that clients must not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The power fails at any operation of the disk.
    PowerCut,
    /// A process is killed.
    Crash,
    /// A process shuts down and starts again.
    Restart,
    /// Operations of the disk fail, also syncs.
    FailingDisk,
    /// The disk is full for some time.
    FullDisk,
    /// Operations of the disk take time.
    SlowDisk,
    /// Reads return fewer bytes than requested.
    ShortReads,
    /// Syncs succeed and do nothing, for some time.
    LyingDisk,
    /// The store moves to another disk, through a snapshot.
    Migration,
    /// A new sealing key is used from now on.
    KeyRotation,
    /// An agent vanishes.
    Vanish,
    /// An agent stops reading for some time.
    Stall,
    /// A node is cut off from the database.
    Partition,
    /// Commits of a node are applied, but it does not hear it.
    LostAnswers,
    /// Notices between nodes are lost.
    LostNotices,
    /// Notices between nodes take time.
    DelayedNotices,
    /// A node stops for some time.
    Pause,
    /// The wall clock of a node is off.
    Skew,
}

impl FaultKind {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 18] = [
        (Self::PowerCut, "power-cut"),
        (Self::Crash, "crash"),
        (Self::Restart, "restart"),
        (Self::FailingDisk, "failing-disk"),
        (Self::FullDisk, "full-disk"),
        (Self::SlowDisk, "slow-disk"),
        (Self::ShortReads, "short-reads"),
        (Self::LyingDisk, "lying-disk"),
        (Self::Migration, "migration"),
        (Self::KeyRotation, "key-rotation"),
        (Self::Vanish, "vanish"),
        (Self::Stall, "stall"),
        (Self::Partition, "partition"),
        (Self::LostAnswers, "lost-answers"),
        (Self::LostNotices, "lost-notices"),
        (Self::DelayedNotices, "delayed-notices"),
        (Self::Pause, "pause"),
        (Self::Skew, "skew"),
    ];

    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Returns the kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(kind, _)| *kind)
    }

    const fn is_of_disk(self) -> bool {
        matches!(
            self,
            Self::PowerCut
                | Self::FailingDisk
                | Self::FullDisk
                | Self::SlowDisk
                | Self::ShortReads
                | Self::LyingDisk
                | Self::Migration
        )
    }

    const fn is_of_cluster(self) -> bool {
        matches!(
            self,
            Self::Partition
                | Self::LostAnswers
                | Self::LostNotices
                | Self::DelayedNotices
                | Self::Pause
                | Self::Skew
        )
    }
}

/// The configuration of a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// The number of nodes on one database; 0 for one node with an embedded store.
    pub cluster_nodes: usize,
    /// True if the faults continue until the end, and every process is started again then.
    pub is_safety: bool,
    /// The number of steps.
    pub steps: usize,
    /// Faults happen before this step only.
    pub fault_steps: usize,
    /// The agents: their numbers and protocols.
    pub agents: Vec<(usize, AgentProtocol)>,
    /// The kinds of faults.
    pub faults: BTreeSet<FaultKind>,
    /// One step in this many has a fault.
    pub fault_one_in: u64,
    /// One step in this many is hours long.
    pub hours_one_in: u64,
    /// The number of messages that an inbox may have.
    pub quota: u64,
}

impl Scenario {
    /// Returns the configuration of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0005_ce9a_0000);
        let cluster_nodes = if random.one_in(3) { 2 + random.index(2) } else { 0 };
        let is_cluster = cluster_nodes > 0;
        let fits = |kind: FaultKind| {
            if is_cluster { !kind.is_of_disk() } else { !kind.is_of_cluster() }
        };
        let mut faults: BTreeSet<_> =
            FaultKind::ALL.iter().map(|(kind, _)| *kind).filter(|kind| fits(*kind)).collect();
        faults.retain(|kind| match kind {
            // Nothing that was promised can be checked after a lie.
            FaultKind::LyingDisk => random.one_in(16),
            _ => random.one_in(2),
        });
        let protocols: Vec<_> = AgentProtocol::ALL.into_iter().filter(|_| !random.one_in(3)).collect();
        let protocol = |random: &mut Random| match protocols.get(random.index(protocols.len())) {
            Some(protocol) => *protocol,
            None => AgentProtocol::Events,
        };
        let count = 1 + random.index(5);
        let agents = (0..count).map(|number| (number, protocol(&mut random))).collect();
        let steps = 30 + random.index(100);
        Self {
            seed,
            cluster_nodes,
            is_safety: random.one_in(2),
            steps,
            fault_steps: steps,
            agents,
            faults,
            fault_one_in: [3, 8, 20][random.index(3)],
            hours_one_in: [40, 150, 100_000][random.index(3)],
            quota: if random.one_in(5) { 4 + random.below(10) } else { 100_000 },
        }
    }

    /// Returns the command that repeats the run.
    #[must_use]
    pub fn command(&self) -> String {
        let whole = Self::new(self.seed);
        let mut command = format!("webpush-sim --seed {}", self.seed);
        if self.steps != whole.steps {
            command.push_str(&format!(" --steps {}", self.steps));
        }
        if self.fault_steps != whole.fault_steps.min(self.steps) {
            command.push_str(&format!(" --fault-steps {}", self.fault_steps));
        }
        let numbers = |agents: &[(usize, AgentProtocol)]| {
            let numbers: Vec<_> = agents.iter().map(|(number, _)| number.to_string()).collect();
            numbers.join(",")
        };
        if self.agents.len() != whole.agents.len() {
            command.push_str(&format!(" --agents {}", numbers(&self.agents)));
        }
        let without: Vec<_> = whole.faults.difference(&self.faults).map(|kind| kind.as_str()).collect();
        if !without.is_empty() {
            command.push_str(&format!(" --without {}", without.join(",")));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_and_each_fault_is_enabled_by_some() {
        let scenarios: Vec<_> = (0..200).map(Scenario::new).collect();
        for (kind, name) in FaultKind::ALL {
            let enabled = scenarios.iter().filter(|scenario| scenario.faults.contains(&kind)).count();
            assert!(enabled > 0 && enabled < 150, "{name}: {enabled}");
            assert_eq!(FaultKind::parse(name), Some(kind));
        }
        for nodes in [0, 2, 3] {
            assert!(scenarios.iter().any(|scenario| scenario.cluster_nodes == nodes));
        }
    }

    #[test]
    fn the_command_names_what_differs_from_the_seed() {
        let mut scenario = Scenario::new(7);
        assert_eq!(scenario.command(), "webpush-sim --seed 7");
        scenario.steps -= 1;
        scenario.fault_steps = 3;
        let removed = scenario.faults.pop_first().unwrap();
        let expected = format!(
            "webpush-sim --seed 7 --steps {} --fault-steps 3 --without {}",
            scenario.steps,
            removed.as_str()
        );
        assert_eq!(scenario.command(), expected);
    }
}
