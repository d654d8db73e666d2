//! One PostgreSQL server.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::installation::Installation;
use crate::message::free_port;
use crate::shell::{output, run, succeeds};

/// How long a start, or the connection of a standby, may take.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a server may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Small, and as durable as a real installation.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 256MB
max_wal_size = 2GB
wal_level = replica
fsync = on
full_page_writes = on
synchronous_commit = on
";

/// A running server; stopped when it is dropped.
pub(super) struct Server {
    installation: Rc<Installation>,
    data: PathBuf,
    port: u16,
    process: Child,
}

impl Server {
    /// Creates a database cluster in `data`, which must not exist, and starts its server.
    pub(super) fn create(installation: Rc<Installation>, data: &Path) -> Result<Self> {
        let mut initdb = installation.command("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        run(initdb.args(["--no-sync", "--no-instructions", "--pgdata"]).arg(data))?;
        configure(data, SETTINGS)?;
        Self::start(installation, data)
    }

    /// Copies this server to `data`, which must not exist, and starts the copy as its standby.
    pub(super) fn create_standby(&self, name: &str, data: &Path) -> Result<Self> {
        let mut backup = self.installation.command("pg_basebackup");
        backup.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--create-slot"]);
        backup.args(["--slot", name, "--dbname"]).arg(format!("{}?application_name={name}", self.url()));
        run(backup.arg("--pgdata").arg(data))?;
        Self::start(self.installation.clone(), data)
    }

    fn start(installation: Rc<Installation>, data: &Path) -> Result<Self> {
        let port = free_port()?;
        // The last line counts: a copy has the port of its original as well.
        configure(data, &format!("port = {port}\n"))?;
        let log = data.with_extension("log");
        let mut command = installation.command("postgres");
        // In a process group of its own, so that Ctrl-C reaches the command that uses it, but not the server.
        command.arg("-D").arg(data).stdin(Stdio::null()).process_group(0);
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdout(output.try_clone()?).stderr(output);
        let process = command.spawn().context("cannot start PostgreSQL")?;
        let mut server = Self { installation, data: data.to_owned(), port, process };
        server.wait_until_ready(&log)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<()> {
        let mut is_ready = self.installation.command("pg_isready");
        is_ready.args(["--quiet", "--host=127.0.0.1", "--port", &self.port.to_string()]);
        let deadline = Instant::now() + START_TIMEOUT;
        while !succeeds(&mut is_ready)? {
            let ended = self.process.try_wait().context("cannot wait for PostgreSQL")?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(log).unwrap_or_default();
                bail!("PostgreSQL did not start ({}):\n{log}", self.data.display());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Executes a statement; returns its rows as text.
    pub(super) fn execute(&self, statement: &str) -> Result<String> {
        let mut psql = self.installation.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--dbname"]).arg(self.url());
        output(psql.args(["--command", statement]))
    }

    /// Waits until `count` standbys meet a condition on `pg_stat_replication`.
    pub(super) fn wait_for_standbys(&self, count: u8, condition: &str) -> Result<()> {
        let query = format!("SELECT count(*) FROM pg_stat_replication WHERE {condition}");
        let deadline = Instant::now() + START_TIMEOUT;
        while self.execute(&query)?.trim() != count.to_string() {
            ensure!(Instant::now() < deadline, "the standbys do not reach {condition}");
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Stops without a last checkpoint, as nobody needs the data any more.
    ///
    /// Kills the server if that takes too long.
    pub(super) fn stop(&mut self) -> Result<()> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        let pid = self.process.id().to_string();
        if self.process.try_wait()?.is_none() {
            run(Command::new("sh").args(["-c", "kill -QUIT \"$1\"", "sh", &pid]))?;
        }
        while self.process.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.process.kill()?;
                self.process.wait()?;
                bail!("PostgreSQL did not stop within {} s and was killed", STOP_TIMEOUT.as_secs());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an error that is already reported.
        let _ = self.stop();
    }
}

fn configure(data: &Path, settings: &str) -> Result<()> {
    let path = data.join("postgresql.conf");
    let mut file = File::options()
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot configure {}", path.display()))?;
    file.write_all(settings.as_bytes()).with_context(|| format!("cannot configure {}", path.display()))
}
