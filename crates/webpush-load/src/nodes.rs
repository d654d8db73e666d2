//! Nodes of a cluster on the PostgreSQL of `cargo xtask postgres`.

use crate::database::Database;
use crate::dial::Dialer;
use crate::filling::fill;
use crate::running::Running;
use anyhow::{Context as _, ensure};
use std::path::Path;
use tempfile::TempDir;

/// The origin of push URLs. Agents and senders connect to the addresses of nodes.
const ORIGIN: &str = "http://push.example";
/// The schema of the nodes.
const SCHEMA: &str = "webpush";

/// The cluster to start.
#[derive(clap::Args, Clone)]
pub struct ClusterArgs {
    /// Number of nodes to start with --server as a cluster, on the PostgreSQL of `cargo xtask postgres`
    #[arg(long, value_name = "N", requires = "server")]
    pub nodes: Option<usize>,
    /// Nodes that agents use, counted from 1 [default: all]
    #[arg(long, value_name = "NODE", value_delimiter = ',', requires = "nodes")]
    listen_at: Vec<usize>,
    /// Nodes that senders use, counted from 1 [default: all]
    #[arg(long, value_name = "NODE", value_delimiter = ',', requires = "nodes")]
    push_at: Vec<usize>,
    /// Subscriptions that the database has before, each with a message that waits
    #[arg(long, value_name = "N", requires = "nodes", default_value_t = 0)]
    filled: u64,
}

/// Running nodes and their database.
pub struct Nodes {
    /// Connects to the nodes for agents.
    pub listening: Vec<Dialer>,
    /// Connects to the nodes for senders.
    pub pushing: Vec<Dialer>,
    /// Their database.
    pub database: Database,
    running: Vec<Running>,
    _directory: TempDir,
}

impl Nodes {
    /// Starts the nodes.
    ///
    /// # Errors
    /// If there is no database, or a node does not start.
    pub async fn start(
        count: usize,
        args: &ClusterArgs,
        server: &Path,
        directory: TempDir,
        server_args: &[String],
    ) -> anyhow::Result<Self> {
        ensure!((1..=16).contains(&count), "--nodes: 1 to 16");
        let database = Database::find()?;
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "a secret for this measurement only\n")?;
        let secret = secret.display().to_string();
        let store = [
            ["--store", &database.url],
            ["--store-schema", SCHEMA],
            ["--store-secret-file", &secret],
            ["--origin", ORIGIN],
        ];
        let arguments: Vec<String> =
            store.into_iter().flatten().map(str::to_owned).chain(server_args.iter().cloned()).collect();
        let mut running = Vec::new();
        for number in 1..=count {
            let data = directory.path().join(format!("node{number}"));
            running.push(Running::node(server, &data, &arguments)?);
            // The first one has created the tables.
            if number == 1 && args.filled > 0 {
                fill(&database, SCHEMA, args.filled).await?;
            }
        }
        let dialers = |numbers: &[usize]| -> anyhow::Result<Vec<Dialer>> {
            let all: Vec<usize> = (1..=count).collect();
            let numbers = if numbers.is_empty() { &all } else { numbers };
            let node = |number: &usize| running.get(number.checked_sub(1)?);
            let dialer = |number| Dialer::new(&node(number).context("there is no such node")?.origin, None);
            numbers.iter().map(dialer).collect()
        };
        let (listening, pushing) = (dialers(&args.listen_at)?, dialers(&args.push_at)?);
        Ok(Self { listening, pushing, database, running, _directory: directory })
    }

    /// Returns the process IDs, in the order of nodes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.running.iter().map(Running::pid).collect()
    }

    /// Kills the first node.
    pub fn kill_first(&mut self) {
        if !self.running.is_empty() {
            drop(self.running.remove(0));
        }
    }
}
