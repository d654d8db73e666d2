//! The server under load: started for the run, or already running.

use crate::certificates::Certificate;
use crate::database::DatabaseSample;
use crate::dial::Dialer;
use crate::figures::{Figures, micros};
use crate::nodes::{ClusterArgs, Nodes};
use crate::peer::Peer;
use crate::process::{Process, Sample};
use crate::running::Running;
use anyhow::{Context as _, bail, ensure};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The choice of a server.
#[derive(clap::Args, Clone)]
pub struct TargetArgs {
    /// Start this webpush-server for the run, with its own data directory
    #[arg(long, value_name = "PATH", conflicts_with_all = ["origin", "pid"])]
    pub server: Option<PathBuf>,
    /// Directory for that data directory [default: the temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,
    /// Use TLS
    #[arg(long, requires = "server")]
    pub tls: bool,
    /// Another argument for it, as in --server-arg=--keepalive=1h
    #[arg(long, value_name = "ARG", requires = "server", allow_hyphen_values = true)]
    pub server_arg: Vec<String>,
    /// Start autopush-rs for the run from the directory of its programs; needs redis-server
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["server", "origin", "pid"])]
    peer: Option<PathBuf>,
    /// Load a running server on this machine: its URL for agents; senders use its push URLs
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Its certificate, PEM
    #[arg(long, value_name = "FILE", requires = "origin")]
    ca: Option<PathBuf>,
    /// IDs of its processes, whose processor time and memory are measured
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<u32>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// The server under load.
pub struct Target {
    /// Connect agents to it: one for each node.
    pub dialers: Vec<Dialer>,
    /// Its processes, those of the database not included.
    pub process: Process,
    trusted: Option<PathBuf>,
    started: Option<Started>,
}

/// Resources that the target has used up to a point in time.
pub struct TargetSample {
    process: Sample,
    nodes: Vec<Sample>,
    database: Option<DatabaseSample>,
}

/// Keeps a started server running. Dropping it ends the server.
enum Started {
    Ours { _running: Running, directory: TempDir },
    Cluster(Nodes),
    Peer { _peer: Peer },
}

impl TargetArgs {
    /// Creates a directory for the run, which is removed afterwards.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn make_directory(&self) -> anyhow::Result<TempDir> {
        directory_in(self.directory.as_deref())
    }

    /// Starts the server, or finds the running one.
    ///
    /// # Errors
    /// If there is none.
    pub async fn target(&self) -> anyhow::Result<Target> {
        match (&self.server, &self.peer, &self.origin) {
            (Some(server), _, _) => match self.cluster.nodes {
                Some(nodes) => self.cluster(nodes, server).await,
                None => self.started(server),
            },
            (None, Some(directory), _) => {
                let peer = Peer::start(directory)?;
                let dialers = vec![Dialer::new(&peer.origin, None)?];
                let process = Process::new(peer.pids.clone());
                Ok(Target { dialers, process, trusted: None, started: Some(Started::Peer { _peer: peer }) })
            }
            (None, None, Some(origin)) => Ok(Target {
                dialers: vec![Dialer::new(origin, self.ca.as_deref())?],
                process: Process::new(self.pid.clone()),
                trusted: self.ca.clone(),
                started: None,
            }),
            (None, None, None) => bail!("which server? --server starts one, --origin names one that runs"),
        }
    }

    fn started(&self, server: &Path) -> anyhow::Result<Target> {
        let directory = self.make_directory()?;
        let mut arguments = self.server_arg.clone();
        let mut trusted = None;
        if self.tls {
            let Certificate { certificate, key } = Certificate::generate(directory.path())?;
            let shown = [("--cert", &certificate), ("--key", &key)];
            arguments.extend(
                shown.into_iter().flat_map(|(flag, file)| [flag.to_owned(), file.display().to_string()]),
            );
            trusted = Some(certificate);
        }
        let running = Running::webpush_server(server, &directory.path().join("data"), &arguments)?;
        Ok(Target {
            dialers: vec![Dialer::new(&running.origin, trusted.as_deref())?],
            process: Process::new(vec![running.pid()]),
            trusted,
            started: Some(Started::Ours { _running: running, directory }),
        })
    }

    async fn cluster(&self, count: usize, server: &Path) -> anyhow::Result<Target> {
        ensure!(!self.tls, "--nodes: without --tls");
        let directory = self.make_directory()?;
        let nodes = Nodes::start(count, &self.cluster, server, directory, &self.server_arg).await?;
        Ok(Target {
            dialers: nodes.listening.clone(),
            process: Process::new(nodes.pids()),
            trusted: None,
            started: Some(Started::Cluster(nodes)),
        })
    }
}

impl Target {
    /// Connects to its first node.
    ///
    /// # Errors
    /// If it has none.
    pub fn first_dialer(&self) -> anyhow::Result<&Dialer> {
        self.dialers.first().context("the target has no node")
    }

    /// Returns the data directory of a server that was started for the run.
    ///
    /// # Errors
    /// If the server was not, or is a cluster.
    pub fn data_directory(&self) -> anyhow::Result<PathBuf> {
        match &self.started {
            Some(Started::Ours { directory, .. }) => Ok(directory.path().join("data")),
            _ => bail!("--server: the run needs a server of its own"),
        }
    }

    /// Connects senders to each node, or to the origin of push URLs, which may be another process.
    ///
    /// # Errors
    /// If it is not this machine.
    pub fn push_dialers(&self, endpoint: &str) -> anyhow::Result<Vec<Dialer>> {
        match self.nodes() {
            Some(nodes) => Ok(nodes.pushing.clone()),
            None => Ok(vec![Dialer::new(endpoint, self.trusted.as_deref())?]),
        }
    }

    /// Samples processor time, and what the database has written.
    ///
    /// # Errors
    /// If a process is gone.
    pub async fn sample(&self) -> anyhow::Result<TargetSample> {
        let (mut nodes, mut database) = (Vec::new(), None);
        if let Some(cluster) = self.nodes() {
            database = Some(cluster.database.sample().await?);
            let pids = cluster.pids().into_iter();
            nodes = pids.map(|pid| Process::new(vec![pid]).sample()).collect::<Result<_, _>>()?;
        }
        Ok(TargetSample { process: self.process.sample()?, nodes, database })
    }

    /// Records usage per item after an earlier sample: of the server, of each node, of the database.
    ///
    /// # Errors
    /// If a process is gone.
    pub async fn note_usage(
        &self,
        figures: &mut Figures,
        before: &TargetSample,
        each: &str,
        count: u64,
    ) -> anyhow::Result<()> {
        let after = self.sample().await?;
        let spent = after.process.since(&before.process);
        figures.note_cpu(&spent, each, count);
        let mut all = spent.total;
        for (number, (after, before)) in after.nodes.iter().zip(&before.nodes).enumerate() {
            let micros = micros(after.since(before).total) / count.max(1) as f64;
            figures.note(format!("node{}_cpu_us_per_{each}", number + 1), micros);
        }
        if let (Some(after), Some(before)) = (after.database, &before.database) {
            let spent = after.since(before);
            spent.note(figures, each, count);
            all += spent.cpu();
        }
        figures.note(format!("all_cpu_us_per_{each}"), micros(all) / count.max(1) as f64);
        Ok(())
    }

    /// Kills the first node, like a crash.
    ///
    /// # Errors
    /// If there is no other one.
    pub fn kill_first_node(&mut self) -> anyhow::Result<()> {
        match &mut self.started {
            Some(Started::Cluster(nodes)) if nodes.pids().len() > 1 => {
                nodes.kill_first();
                self.process = Process::new(nodes.pids());
                Ok(())
            }
            _ => bail!("--nodes: at least 2"),
        }
    }

    fn nodes(&self) -> Option<&Nodes> {
        match &self.started {
            Some(Started::Cluster(nodes)) => Some(nodes),
            _ => None,
        }
    }
}

/// Creates a directory that is removed when it is dropped.
///
/// # Errors
/// If it cannot be created.
pub fn directory_in(parent: Option<&Path>) -> anyhow::Result<TempDir> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    tempfile::tempdir_in(&parent).with_context(|| format!("no directory can be made in {}", parent.display()))
}
