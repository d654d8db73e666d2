//! The server under load: started for the run, or already running.

use crate::certificates::Certificate;
use crate::dial::Dialer;
use crate::peer::Peer;
use crate::process::Process;
use crate::running::Running;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The choice of a server.
#[derive(clap::Args)]
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
}

/// The server under load.
pub struct Target {
    /// Connects to it.
    pub dialer: Dialer,
    /// Its processes.
    pub process: Process,
    trusted: Option<PathBuf>,
    _started: Option<Started>,
}

/// Keeps a started server running. Dropping it ends the server.
enum Started {
    Ours { _running: Running, _directory: TempDir },
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
    pub fn target(&self) -> anyhow::Result<Target> {
        match (&self.server, &self.peer, &self.origin) {
            (Some(server), _, _) => self.started(server),
            (None, Some(directory), _) => {
                let peer = Peer::start(directory)?;
                let dialer = Dialer::new(&peer.origin, None)?;
                let process = Process::new(peer.pids.clone());
                Ok(Target { dialer, process, trusted: None, _started: Some(Started::Peer { _peer: peer }) })
            }
            (None, None, Some(origin)) => Ok(Target {
                dialer: Dialer::new(origin, self.ca.as_deref())?,
                process: Process::new(self.pid.clone()),
                trusted: self.ca.clone(),
                _started: None,
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
            dialer: Dialer::new(&running.origin, trusted.as_deref())?,
            process: Process::new(vec![running.pid()]),
            trusted,
            _started: Some(Started::Ours { _running: running, _directory: directory }),
        })
    }
}

impl Target {
    /// Connects to the origin of push URLs, which may be another process.
    ///
    /// # Errors
    /// If it is not this machine.
    pub fn push_dialer(&self, endpoint: &str) -> anyhow::Result<Dialer> {
        Dialer::new(endpoint, self.trusted.as_deref())
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
