//! `dev`: a server for development and tests, in memory.

use crate::cli::child::{self, CommandSignals};
use crate::cli::exit::print_error;
use crate::cli::render::terminal;
use crate::log::{Filter, Format, Log, LogConfig};
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use tokio::process::Command;
use webpush_dev::server::{DevConfig, DevServer};
use webpush_dev::{SetUp, host_name, set_up_code};

/// The variable with the ready line, for the command.
const VARIABLE: &str = "WEBPUSH_DEV";
/// The default filter of the log; `RUST_LOG` overrides it.
const LOG_FILTER: &str = "warn";

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Start, and print the addresses as one line of JSON:
      webpush-server dev

  Run tests with the variables that lead pushes to this server:
      webpush-server dev -- npm test

  Print set-up code for a test framework:
      webpush-server dev --print playwright

The inspector is a web page at ORIGIN/dev. Nothing is stored on disk but the certificate of the authority, and nothing
leaves this machine: pushes to browser vendors end here, and the proxy refuses all other hosts.";

/// Run a server for tests, in memory
///
/// Receives what an application under test sends to the push services of browser vendors, and delivers it to stock
/// Chromium and Firefox or to virtual agents. Tests control faults and time by a JSON API.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct DevArgs {
    /// Address to listen on; others than loopback let all who reach it control the server
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port of the service and of the control API; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Port with TLS; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    https_port: u16,
    /// Port of the proxy for application servers; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    proxy_port: u16,
    /// Port of MCS, to which Chromium connects; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    mcs_port: u16,
    /// Write the certificate of the authority to FILE instead of a temporary directory
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Stop when standard input ends, with the program that started the server
    #[arg(long, conflicts_with = "command")]
    with_parent: bool,
    /// Give Firefox push URLs of this server instead of Mozilla's
    #[arg(long)]
    local_endpoints: bool,
    /// Further host name of this server, such as that of a container; repeatable
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    name: Vec<String>,
    /// Listen on port 443 as well, for host names of vendors that are mapped to this server
    #[arg(long)]
    map_hosts: bool,
    /// Print set-up code, and exit
    #[arg(long, value_enum, value_name = "FRAMEWORK")]
    print: Option<Framework>,
    /// Run a command with the variables of the server, and stop with it
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn host_name(text: &str) -> Result<String, String> {
    host_name::check(text).map(|()| text.to_owned())
}

/// A framework with set-up code.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Framework {
    Playwright,
    Puppeteer,
    Selenium,
    /// A POSIX shell
    Env,
}

impl From<Framework> for SetUp {
    fn from(framework: Framework) -> Self {
        match framework {
            Framework::Playwright => Self::Playwright,
            Framework::Puppeteer => Self::Puppeteer,
            Framework::Selenium => Self::Selenium,
            Framework::Env => Self::Env,
        }
    }
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: DevArgs) -> ExitCode {
    let result = match args.print {
        Some(framework) => print(framework),
        None => serve(args),
    };
    result.unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::FAILURE
    })
}

fn print(framework: Framework) -> anyhow::Result<ExitCode> {
    terminal::line(set_up_code(framework.into()).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn serve(args: DevArgs) -> anyhow::Result<ExitCode> {
    let level: Filter = LOG_FILTER.parse().map_err(anyhow::Error::msg)?;
    let _log = Log::start(&LogConfig { level, format: Format::Text });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(run_server(args))
}

async fn run_server(args: DevArgs) -> anyhow::Result<ExitCode> {
    let DevArgs { host, port, https_port, proxy_port, mcs_port, ca_file, .. } = args;
    let DevArgs { local_endpoints, name: names, map_hosts, with_parent, command, .. } = args;
    let config = DevConfig {
        host,
        port,
        https_port,
        proxy_port,
        mcs_port,
        ca_file,
        local_endpoints,
        names,
        map_hosts,
    };
    raise_file_limit();
    let mut signals = CommandSignals::catch().context("cannot install signal handlers")?;
    let server = tokio::select! {
        started = DevServer::start(config) => started?,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    if let Some((program, arguments)) = command.split_first() {
        return run_command(program, arguments, &server, &mut signals).await;
    }
    terminal::line(server.ready_line())?;
    tokio::select! {
        _ = signals.next() => {}
        () = end_of_input(), if with_parent => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_command(
    program: &OsString,
    arguments: &[OsString],
    server: &DevServer,
    signals: &mut CommandSignals,
) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(program);
    command.args(arguments).envs(server.addresses().environment()).env(VARIABLE, server.ready_line());
    exit_code(child::run(command, signals).await?)
}

/// Allows the server all file descriptors that it may have: virtual agents have two each.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Without them it serves fewer agents.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Returns the status of a command; 128 and the number of the signal that ended it, as shells do.
fn exit_code(status: ExitStatus) -> anyhow::Result<ExitCode> {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))),
        (None, Some(signal)) => Ok(ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))),
        (None, None) => bail!("the command ended without a status"),
    }
}

/// Waits until standard input ends or fails.
async fn end_of_input() {
    let (sender, ended) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own, because a read cannot be canceled.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(sender);
    });
    // An error is the end of the thread.
    let _ = ended.await;
}
