//! PostgreSQL servers that a test starts for itself, to stop them as it likes.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::interval;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Runs the tasks of all stores.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Time for anything to happen, on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings of a small server.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 60
wal_receiver_status_interval = 1
";

/// The directory of all servers of a test.
pub(crate) struct Directory {
    programs: PathBuf,
    /// The servers run as the owner of PostgreSQL's programs do, if the test runs as root.
    user: Option<String>,
    directory: TempDir,
}

/// A server, which is killed when it is dropped.
pub(crate) struct Server<'d> {
    directory: &'d Directory,
    data: PathBuf,
    port: u16,
    process: Option<Child>,
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text.trim().to_owned()
}

impl Directory {
    pub(crate) fn create() -> Self {
        let newest = "ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 | grep . \
                      || dirname \"$(command -v initdb)\"";
        let programs = output(Command::new("sh").args(["-c", newest])).into();
        let is_root = output(Command::new("id").arg("-u")) == "0";
        let directory = tempfile::tempdir().unwrap();
        if is_root {
            output(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        Self { programs, user: is_root.then(|| "postgres".to_owned()), directory }
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={user}")]);
                command.args(["--clear-groups", "--pdeathsig=INT", "--"]).arg(program);
                command
            }
        };
        command.current_dir(self.directory.path());
        command
    }

    /// Starts a new server.
    pub(crate) fn server(&self) -> Server<'_> {
        let data = self.directory.path().join("primary");
        let mut initdb = self.command("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        output(initdb.args(["--no-sync", "--no-instructions", "--pgdata"]).arg(&data));
        Server::create(self, data, SETTINGS)
    }

    /// Starts a standby of a server.
    pub(crate) fn standby(&self, primary: &Server<'_>) -> Server<'_> {
        let data = self.directory.path().join("standby");
        let mut backup = self.command("pg_basebackup");
        backup.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--dbname"]);
        backup.arg(format!("{}?application_name=standby", primary.url())).arg("--pgdata").arg(&data);
        output(&mut backup);
        Server::create(self, data, "")
    }
}

impl<'d> Server<'d> {
    fn create(directory: &'d Directory, data: PathBuf, settings: &str) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut file = File::options().append(true).open(data.join("postgresql.conf")).unwrap();
        // The last line counts: a copy has the port of its original as well.
        writeln!(file, "{settings}port = {port}").unwrap();
        let mut server = Self { directory, data, port, process: None };
        server.start();
        server
    }

    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = self.directory.command("postgres");
        command.arg("-D").arg(&self.data).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        RUNTIME.block_on(until("the server accepts connections", async || {
            tokio_postgres::connect(&self.url(), NoTls).await.is_ok()
        }));
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends a signal: QUIT ends the server as a crash does, INT lets it stop first.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap();
        output(Command::new("sh").args([
            "-c",
            "kill -\"$1\" \"$2\"",
            "sh",
            signal,
            &process.id().to_string(),
        ]));
    }

    pub(crate) fn stop(&mut self, signal: &str) {
        self.signal(signal);
        self.process.take().unwrap().wait().unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        client(&self.url()).await
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log().display(), fs::read_to_string(self.log()).unwrap_or_default());
        }
        if self.process.is_some() {
            self.stop("QUIT");
        }
    }
}

/// Connects to a server.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Executes a statement, and returns the first column of its rows.
pub(crate) async fn query(client: &Client, text: &str) -> Vec<String> {
    let messages = client.simple_query(text).await.unwrap();
    let first = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    first.collect()
}

/// Waits until a condition is true.
pub(crate) async fn until(condition: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    while !is_true().await {
        assert!(begun.elapsed() < PATIENCE, "{condition}");
        ticks.tick().await;
    }
}

/// Waits until a query returns a row.
pub(crate) async fn until_row(client: &Client, text: &str) {
    until(text, async || !query(client, text).await.is_empty()).await;
}

/// Repeats a query until its result is another one, and returns that.
pub(crate) async fn query_until_other(client: &Client, text: &str, before: &[String]) -> Vec<String> {
    let mut now = Vec::new();
    until(text, async || {
        now = query(client, text).await;
        now != before
    })
    .await;
    now
}

/// A primary whose commits wait for its standby.
pub(crate) fn synchronous(directory: &Directory) -> (Server<'_>, Server<'_>) {
    let primary = directory.server();
    let standby = directory.standby(&primary);
    RUNTIME.block_on(async {
        let client = primary.client().await;
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby)'").await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        until_row(&client, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'quorum'").await;
    });
    (primary, standby)
}

/// A lane that waits for a standby.
pub(crate) const WAITING: &str =
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'webpush-lane' AND wait_event = 'SyncRep'";
