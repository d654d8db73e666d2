//! The nodes of a cluster and their settings, as one of them sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long nodes that vanished are listed.
const VANISHED: Duration = Duration::from_secs(3600);

/// Settings that must be equal on all nodes: a hash of the value of each, by name.
pub type SettingHashes = BTreeMap<String, String>;

/// A node of a cluster, as another one or itself sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNode {
    /// The name of its machine.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Time since its start.
    pub uptime: Duration,
    /// Time since its last heartbeat.
    pub heartbeat_age: Duration,
    /// True if its last heartbeat is less than 15 s old.
    pub is_alive: bool,
    /// True for the node that sees it.
    pub is_self: bool,
    /// True if it expires messages and removes idle inboxes.
    pub leads: bool,
    /// Settings with another value than on the node that sees it.
    pub differing: Vec<String>,
    pub(super) id: [u8; 16],
}

/// The last heartbeat of this node, with what it has read of the others.
pub(super) struct ClusterView {
    state: Mutex<ViewState>,
}

struct ViewState {
    settings: Arc<SettingHashes>,
    nodes: Vec<ClusterNode>,
    read: Instant,
    standbys: Option<u64>,
}

impl ClusterView {
    pub(super) fn new() -> Self {
        let state =
            ViewState { settings: Arc::default(), nodes: Vec::new(), read: Instant::now(), standbys: None };
        Self { state: Mutex::new(state) }
    }

    /// Sets the settings of this node, which the next heartbeat publishes.
    pub(super) fn set_settings(&self, settings: SettingHashes) {
        self.lock().settings = Arc::new(settings);
    }

    /// Returns the settings of this node; another allocation after each change.
    pub(super) fn settings(&self) -> Arc<SettingHashes> {
        Arc::clone(&self.lock().settings)
    }

    /// Replaces the nodes, and logs which settings differ since.
    pub(super) fn replace(&self, nodes: Vec<ClusterNode>, standbys: Option<u64>) {
        let mut state = self.lock();
        for node in nodes.iter().filter(|node| node.is_alive && !node.differing.is_empty()) {
            let before = state.nodes.iter().find(|before| before.id == node.id);
            if before.is_none_or(|before| before.differing != node.differing) {
                tracing::warn!(
                    "this node and {} have different settings: {}; deploy the same configuration to all nodes",
                    node.name,
                    node.differing.join(", ")
                );
            }
        }
        (state.nodes, state.read, state.standbys) = (nodes, Instant::now(), standbys);
    }

    /// Lists the nodes: this one first, then by name. Nodes that vanished are listed for an hour.
    pub(super) fn nodes(&self) -> Vec<ClusterNode> {
        let state = self.lock();
        let since = state.read.elapsed();
        let aged = state.nodes.iter().map(|node| ClusterNode {
            uptime: node.uptime + since,
            heartbeat_age: node.heartbeat_age + since,
            ..node.clone()
        });
        let mut nodes: Vec<_> = aged.filter(|node| node.heartbeat_age < VANISHED).collect();
        nodes.sort_by(|one, other| {
            (!one.is_self, &one.name, one.heartbeat_age).cmp(&(
                !other.is_self,
                &other.name,
                other.heartbeat_age,
            ))
        });
        nodes
    }

    /// Counts the live nodes with other settings.
    pub(super) fn differing(&self) -> u64 {
        let differs = |node: &&ClusterNode| node.is_alive && !node.differing.is_empty();
        self.lock().nodes.iter().filter(differs).count() as u64
    }

    /// Returns the number of synchronous standbys that are connected; `None` if it is unknown.
    pub(super) fn standbys(&self) -> Option<u64> {
        self.lock().standbys
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ViewState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the settings that both nodes know, and that have different values.
pub(super) fn differing(own: &SettingHashes, other: &SettingHashes) -> Vec<String> {
    let differs = |(name, hash): &(&String, &String)| other.get(*name).is_some_and(|other| other != *hash);
    own.iter().filter(differs).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_both_programs_know_are_compared() {
        let settings = |pairs: &[(&str, &str)]| -> SettingHashes {
            pairs.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect()
        };
        let own = settings(&[("a", "1"), ("b", "1"), ("own", "1")]);
        let other = settings(&[("a", "1"), ("b", "2"), ("other", "1")]);
        assert_eq!(differing(&own, &other), ["b"]);
        assert!(differing(&own, &settings(&[])).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn this_node_comes_first_and_nodes_that_vanished_are_dropped_after_an_hour() {
        let node = |name: &str, is_self| ClusterNode {
            name: name.to_owned(),
            version: String::new(),
            uptime: Duration::ZERO,
            heartbeat_age: Duration::ZERO,
            is_alive: is_self,
            is_self,
            leads: is_self,
            differing: Vec::new(),
            id: [0; 16],
        };
        let view = ClusterView::new();
        let vanished = ClusterNode { heartbeat_age: VANISHED / 2, ..node("a", false) };
        view.replace(vec![vanished, node("b", false), node("c", true)], None);
        let names = || view.nodes().into_iter().map(|node| node.name).collect::<Vec<_>>();
        assert_eq!(names(), ["c", "a", "b"]);
        tokio::time::advance(VANISHED / 2).await;
        assert_eq!(names(), ["c", "b"]);
    }
}
