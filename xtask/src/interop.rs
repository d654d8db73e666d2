//! The server against clients that share no code with it.
//!
//! A [`Case`] is one client script run over one transport, or the three-terminal scenario that owns its server. A
//! [`Pair`] of the matrix is a user agent with a sender. The scripts are in `interop/` at the root and know three
//! environment variables: `WEBPUSH_ORIGIN`, the server's process `WEBPUSH_PID` (not in the matrix) and, over TLS,
//! `WEBPUSH_CA`. One that owns its server gets a command to start it instead. A client program that is missing is a
//! failure, never a skip.

mod case;
pub(crate) mod certificates;
mod matrix;
pub(crate) mod process;
mod proxies;
mod server;
mod subject;
mod terminals;
mod tool;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use case::{CASES, Case, Run};
use certificates::Certificates;
use matrix::Pair;
use process::{End, Process};
use proxies::Proxy;
use server::{Server, Transport};
use tool::Tool;

/// How long one script may run; each wait inside a script is bounded far below this.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only the cases whose name contains this text.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Test this server binary instead of building one with the profile `dist`.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Install the client programs first (the script interop/install).
    #[arg(long)]
    install: bool,
    /// Print each check, not only those that failed.
    #[arg(long, short)]
    verbose: bool,
    /// Print the names of the cases and stop.
    #[arg(long)]
    list: bool,
}

/// Runs the chosen cases; returns false if one failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let (cases, pairs) = chosen(options.only.as_deref())?;
    if options.list {
        for case in cases {
            println!("{}", case.name);
        }
        for pair in pairs {
            println!("{}", pair.name());
        }
        return Ok(true);
    }
    let workspace = Workspace::find()?;
    if options.install {
        install(&workspace)?;
    }
    let binary = match &options.server {
        Some(path) => {
            path.canonicalize().with_context(|| format!("no server binary at {}", path.display()))?
        }
        None => build(&workspace)?,
    };
    let mut bench = Bench::new(workspace, binary)?;

    let mut table = Table::new(options.verbose);
    for case in &cases {
        let started = Instant::now();
        let outcome = bench.run(case);
        table.row(case.name, started.elapsed(), outcome);
    }
    bench.run_matrix(&pairs, &mut table);
    println!("{} passed, {} failed", table.passed, table.failed);
    if table.failed > 0 {
        println!("logs of the server and of listen: {}", bench.workspace.scratch.display());
    }
    Ok(table.failed == 0)
}

fn chosen(only: Option<&str>) -> Result<(Vec<&'static Case>, Vec<Pair>)> {
    let wanted = |name: &str| only.is_none_or(|text| name.contains(text));
    let cases: Vec<&Case> = CASES.iter().filter(|case| wanted(case.name)).collect();
    let pairs: Vec<Pair> = Pair::all().filter(|pair| wanted(&pair.name())).collect();
    ensure!(
        !cases.is_empty() || !pairs.is_empty(),
        "no case is called like {:?}; cargo xtask interop --list names them",
        only.unwrap_or_default()
    );
    Ok((cases, pairs))
}

/// The table that a run prints, a row as soon as it is known.
struct Table {
    verbose: bool,
    passed: usize,
    failed: usize,
}

impl Table {
    fn new(verbose: bool) -> Self {
        println!("{:<34} {:<6} {:>7}", "name", "result", "seconds");
        Self { verbose, passed: 0, failed: 0 }
    }

    fn row(&mut self, name: &str, took: Duration, outcome: Result<Vec<String>, Failure>) {
        let result = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<34} {result:<6} {:>7.1}", took.as_secs_f64());
        match outcome {
            Ok(lines) => {
                self.passed += 1;
                print_lines(&lines, self.verbose);
            }
            Err(failure) => {
                self.failed += 1;
                print_lines(&failure.lines, self.verbose);
                println!("    {:#}", failure.error);
            }
        }
    }
}

/// Prefix of lines for checks that passed, which are shown only on request.
fn print_lines(lines: &[String], all: bool) {
    for line in lines.iter().filter(|line| all || !line.starts_with("ok ")) {
        println!("    {line}");
    }
}

/// Directories: the sources, and temporary files.
struct Workspace {
    root: PathBuf,
    /// The target directory, which `CARGO_TARGET_DIR` can set.
    target: PathBuf,
    scratch: PathBuf,
}

impl Workspace {
    fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent directory")?
            .to_path_buf();
        let own_binary = std::env::current_exe().context("cannot tell where xtask is running from")?;
        let target =
            own_binary.ancestors().nth(2).context("xtask is not in a cargo target directory")?.to_path_buf();
        let scratch = target.join("interop");
        std::fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        Ok(Self { root, target, scratch })
    }

    fn scripts(&self) -> PathBuf {
        self.root.join("interop")
    }

    /// The Python of the virtual environment that `interop/install` makes.
    fn python(&self) -> PathBuf {
        self.scratch.join("python/bin/python")
    }
}

fn install(workspace: &Workspace) -> Result<()> {
    let status = Command::new(workspace.scripts().join("install"))
        .arg(&workspace.scratch)
        .status()
        .context("cannot run interop/install")?;
    ensure!(status.success(), "interop/install failed ({status})");
    Ok(())
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--profile",
            "dist",
            "--package",
            "webpush-server",
            "--bin",
            "webpush-server",
            "--features",
            "pkcs12",
        ])
        .current_dir(&workspace.root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the build failed ({status})");
    let binary = workspace.target.join("dist/webpush-server");
    ensure!(binary.is_file(), "cargo built no {}", binary.display());
    Ok(binary)
}

/// An error, and the output of the client until then.
struct Failure {
    lines: Vec<String>,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { lines: Vec::new(), error }
    }
}

/// The servers and files that the cases share.
struct Bench {
    workspace: Workspace,
    binary: PathBuf,
    certificates: Certificates,
    plain: Option<Server>,
    tls: Option<Server>,
}

impl Bench {
    fn new(workspace: Workspace, binary: PathBuf) -> Result<Self> {
        let certificates = Certificates::generate(&workspace.scratch)?;
        Ok(Self { workspace, binary, certificates, plain: None, tls: None })
    }

    fn run(&mut self, case: &Case) -> Result<Vec<String>, Failure> {
        for tool in case.tools {
            tool.check(&self.workspace)?;
        }
        match case.run {
            Run::Script { path, transport, arguments } => {
                let mut command = self.script(path, case.tools)?;
                command.args(arguments);
                self.run_script(command, transport)
            }
            Run::OwnServer { path, transport } => {
                let command = self.script(path, case.tools)?;
                self.run_with_own_server(command, transport)
            }
            Run::Proxy(proxy) => {
                let command = self.script("python/proxies.py", case.tools)?;
                self.run_behind(command, proxy)
            }
            Run::Subject { kind, path, arguments, failures } => {
                let mut script = self.script(path, case.tools)?;
                script.args(arguments);
                subject::run(&self.binary, &self.workspace.scratch, kind, &script, failures)
            }
            Run::Terminals(stop) => terminals::run(&self.binary, &self.workspace.scratch, stop),
        }
    }

    /// The interpreter follows from the extension; a script without one is executable.
    fn script(&self, path: &str, tools: &[Tool]) -> Result<Command> {
        let script = self.workspace.scripts().join(path);
        ensure!(script.is_file(), "there is no script {}", script.display());
        let mut command = match script.extension().and_then(|ending| ending.to_str()) {
            Some("mjs") => Command::new("node"),
            // Scripts that need no package run on the system's Python.
            Some("py") if tools.contains(&Tool::PythonPackages) => Command::new(self.workspace.python()),
            Some("py") => Command::new("python3"),
            Some("sh") => Command::new("bash"),
            _ => bail!("{} ends in nothing this runner knows how to start", script.display()),
        };
        command.arg(script);
        Ok(command)
    }

    fn run_script(&mut self, mut command: Command, transport: Transport) -> Result<Vec<String>, Failure> {
        let ca = self.certificates.ca.clone();
        let server = self.server(transport)?;
        let trusted = match transport {
            Transport::Plain => None,
            Transport::Tls => Some(ca.as_path()),
        };
        client_environment(&mut command, trusted);
        command.env("WEBPUSH_ORIGIN", &server.origin).env("WEBPUSH_PID", server.process_id().to_string());
        let mut lines = Vec::new();
        let failed = run_to_end(command, &mut lines).err();
        // If the server died during a test, report that, whatever the client reported.
        let died = self.server(transport)?.exit_status()?;
        let error = match (died, failed) {
            (Some(status), _) => {
                self.forget(transport);
                anyhow::anyhow!("the server ended during this case ({status})")
            }
            (None, Some(error)) => error,
            (None, None) => return Ok(lines),
        };
        Err(Failure { lines, error })
    }

    fn run_with_own_server(
        &self,
        mut command: Command,
        transport: Transport,
    ) -> Result<Vec<String>, Failure> {
        let scratch = &self.workspace.scratch;
        let directory = tempfile::tempdir_in(scratch).context("cannot make a directory")?;
        let Certificates { ca, server_certificate, server_key } = &self.certificates;
        match transport {
            Transport::Plain => client_environment(&mut command, None),
            Transport::Tls => {
                client_environment(&mut command, Some(ca));
                command.env("WEBPUSH_KEY", server_key).env("WEBPUSH_CERTIFICATE", server_certificate);
            }
        }
        command.env("WEBPUSH_SERVER", &self.binary).env("WEBPUSH_DIRECTORY", directory.path());
        let log = scratch.join("server-of-script.log");
        std::fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        command.env("WEBPUSH_LOG", log);
        let mut lines = Vec::new();
        match run_to_end(command, &mut lines) {
            Ok(()) => Ok(lines),
            Err(error) => Err(Failure { lines, error }),
        }
    }

    fn run_behind(&self, mut command: Command, proxy: Proxy) -> Result<Vec<String>, Failure> {
        let directory = tempfile::tempdir_in(&self.workspace.scratch).context("cannot make a directory")?;
        let mut behind =
            proxy.start(&self.binary, &self.workspace.root, directory.path(), &self.certificates)?;
        client_environment(&mut command, Some(&self.certificates.ca));
        command.env("WEBPUSH_ORIGIN", &behind.origin);
        if proxy == Proxy::HaproxyTcp {
            command.env("WEBPUSH_SERVER_PUSH", "yes");
        }
        let mut lines = Vec::new();
        match run_to_end(command, &mut lines).and_then(|()| behind.check()) {
            Ok(()) => Ok(lines),
            Err(error) => Err(Failure { lines, error }),
        }
    }

    /// Pairs whose client programs are installed run concurrently against one server.
    fn run_matrix(&mut self, pairs: &[Pair], table: &mut Table) {
        let mut ready = Vec::new();
        let mut checked = HashMap::new();
        for &pair in pairs {
            let mut missing = pair.tools().filter_map(|tool| {
                let check = || tool.check(&self.workspace).err().map(|error| format!("{error:#}"));
                checked.entry(tool).or_insert_with(check).clone()
            });
            match missing.next() {
                None => ready.push(pair),
                Some(text) => table.row(&pair.name(), Duration::ZERO, Err(anyhow::anyhow!(text).into())),
            }
        }
        if ready.is_empty() {
            return;
        }
        let setting = match self.matrix_setting() {
            Ok(setting) => setting,
            Err(error) => {
                let text = format!("{error:#}");
                for pair in ready {
                    table.row(&pair.name(), Duration::ZERO, Err(anyhow::anyhow!(text.clone()).into()));
                }
                return;
            }
        };
        matrix::run(&ready, &setting, |pair, took, mut outcome| {
            if let Some(Ok(Some(status))) = self.tls.as_mut().map(Server::exit_status) {
                let lines = outcome.unwrap_or_else(|failure| failure.lines);
                let error = anyhow::anyhow!("the server ended during the matrix ({status})");
                outcome = Err(Failure { lines, error });
            }
            table.row(&pair.name(), took, outcome);
        });
    }

    fn matrix_setting(&mut self) -> Result<matrix::Setting> {
        Ok(matrix::Setting {
            origin: self.server(Transport::Tls)?.origin.clone(),
            ca: self.certificates.ca.clone(),
            binary: self.binary.clone(),
            scripts: self.workspace.scripts(),
            python: self.workspace.python(),
            scratch: self.workspace.scratch.clone(),
        })
    }

    /// The shared server of a transport, started when the first case needs it.
    fn server(&mut self, transport: Transport) -> Result<&mut Server> {
        let slot = match transport {
            Transport::Plain => &mut self.plain,
            Transport::Tls => &mut self.tls,
        };
        match slot {
            Some(server) => Ok(server),
            None => {
                let server = Server::start_with_own_data(
                    &self.binary,
                    &self.workspace.scratch,
                    transport,
                    &self.certificates,
                )?;
                Ok(slot.insert(server))
            }
        }
    }

    fn forget(&mut self, transport: Transport) {
        match transport {
            Transport::Plain => self.plain = None,
            Transport::Tls => self.tls = None,
        }
    }
}

/// Runs a script and collects its output. Fails if it does.
fn run_to_end(mut command: Command, lines: &mut Vec<String>) -> Result<()> {
    command.stderr(Stdio::piped());
    match Process::start(command)?.run_to_end(SCRIPT_TIMEOUT, lines)? {
        End::Exited(status) => ensure!(status.success(), "the script ended with {status}"),
        End::Killed => bail!("stopped after {} s without an end", SCRIPT_TIMEOUT.as_secs()),
    }
    Ok(())
}

/// Sets the environment of every client script.
fn client_environment(command: &mut Command, ca: Option<&Path>) {
    command.env("PYTHONUNBUFFERED", "1");
    // Clients must not use a proxy for a loopback server.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    if let Some(ca) = ca {
        command.env("WEBPUSH_CA", ca).env("NODE_EXTRA_CA_CERTS", ca).env("REQUESTS_CA_BUNDLE", ca);
    }
}
