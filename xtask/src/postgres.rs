//! `cargo xtask postgres`: runs a command with a PostgreSQL that exists only for it.
//!
//! The servers listen on free ports of the loopback address, write durably as a real installation does, and are removed
//! at the end. PostgreSQL refuses to run as root, so root starts it as another user.

mod installation;
mod interruptible;
mod server;

use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use installation::Installation;
use interruptible::Signals;
use server::Server;

/// URL of the primary, for COMMAND.
const PRIMARY_VARIABLE: &str = "WEBPUSH_TEST_POSTGRES";
/// URLs of the standbys with a space between them, for COMMAND.
const STANDBYS_VARIABLE: &str = "WEBPUSH_TEST_POSTGRES_STANDBYS";
/// Their process IDs in the same order, for measurements.
const PROCESSES_VARIABLE: &str = "WEBPUSH_TEST_POSTGRES_PROCESSES";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Standbys that stream from the primary; a commit waits for one of them
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8))]
    standbys: u8,
    /// Keep the directory with data and logs at the end
    #[arg(long)]
    keep: bool,
    /// Command to run with WEBPUSH_TEST_POSTGRES set to the URL of the primary [default: wait for Ctrl-C]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Fails if PostgreSQL is not installed.
pub(crate) fn is_installed() -> Result<()> {
    Installation::find().map(drop)
}

/// Runs the command between start and end of the servers; returns its exit status.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    // One thread: the kernel stops the servers when the thread that started them ends.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_command(options))
}

async fn run_command(options: &Options) -> Result<ExitCode> {
    // Before the servers start: a signal that arrives meanwhile must not leave them behind.
    let mut signals = Signals::listen()?;
    let mut cluster = Cluster::start(Installation::find()?, options.standbys)?;
    let variables = cluster.variables();
    let status = match options.command.split_first() {
        Some((program, arguments)) => signals.run(program, arguments, &variables).await,
        None => {
            variables.iter().for_each(|(name, value)| println!("{name}='{value}'"));
            println!("Press Ctrl-C to stop PostgreSQL and remove {}.", cluster.directory.path().display());
            signals.next().await;
            Ok(ExitCode::SUCCESS)
        }
    };
    cluster.stop()?;
    if options.keep {
        println!("PostgreSQL's data and logs are in {}", cluster.directory.keep().display());
    }
    status
}

/// A primary and its standbys.
struct Cluster {
    /// The primary is the first. Dropped before the directory: servers stop, then their files go.
    servers: Vec<Server>,
    directory: TempDir,
}

impl Cluster {
    fn start(installation: Installation, standbys: u8) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("webpush-postgres-").tempdir()?;
        if let Some(user) = installation.user() {
            chown(directory.path(), Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give {} to PostgreSQL", directory.path().display()))?;
        }
        let installation = installation.working_in(directory.path());
        let primary = Server::create(installation.into(), &directory.path().join("primary"))?;
        let mut cluster = Self { servers: vec![primary], directory };
        cluster.add_standbys(standbys)?;
        Ok(cluster)
    }

    /// Adds standbys, then lets every commit wait until one of them has it on disk.
    fn add_standbys(&mut self, count: u8) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let names: Vec<String> = (1..=count).map(|number| format!("standby{number}")).collect();
        for name in &names {
            let standby = self.primary().create_standby(name, &self.path().join(name))?;
            self.servers.push(standby);
        }
        let primary = self.primary();
        primary.wait_for_standbys(count, "state = 'streaming'")?;
        let names = format!("ANY 1 ({})", names.join(", "));
        primary.execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"))?;
        primary.execute("SELECT pg_reload_conf()")?;
        primary.wait_for_standbys(count, "sync_state = 'quorum'")
    }

    fn primary(&self) -> &Server {
        &self.servers[0]
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let pids: Vec<String> = self.servers.iter().map(|server| server.pid().to_string()).collect();
        let mut variables =
            vec![(PRIMARY_VARIABLE, self.primary().url()), (PROCESSES_VARIABLE, pids.join(" "))];
        if self.servers.len() > 1 {
            let urls: Vec<String> = self.servers[1..].iter().map(Server::url).collect();
            variables.push((STANDBYS_VARIABLE, urls.join(" ")));
        }
        variables
    }

    fn stop(&mut self) -> Result<()> {
        self.servers.iter_mut().try_for_each(Server::stop)
    }
}
