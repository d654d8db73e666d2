//! A server as a child process, which is killed with its owner.

use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// From the start to the line that names the origin. A large store takes long.
const START: Duration = Duration::from_secs(120);

/// A running server.
pub struct Running {
    /// Its origin, as it reports it.
    pub origin: String,
    child: Child,
}

impl Running {
    /// Starts webpush-server on a data directory and a port of its own choice.
    ///
    /// # Errors
    /// If it does not report within two minutes that it is serving.
    pub fn webpush_server(binary: &Path, data: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--host", "127.0.0.1", "--port", "0", "--data-dir"]).arg(data).args(arguments);
        command.env("WEBPUSH_SERVER_ADMIN__LISTEN", "off");
        Self::start(command)
    }

    /// Starts webpush-server as a node of a cluster, whose URLs have another origin than its address.
    ///
    /// # Errors
    /// As [`Running::webpush_server`], and if no port is free.
    pub fn node(binary: &Path, data: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(binary);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir"]).arg(data);
        command.args(arguments).env("WEBPUSH_SERVER_ADMIN__LISTEN", "off");
        let mut running = Self::start(command)?;
        running.origin = format!("http://127.0.0.1:{port}");
        Ok(running)
    }

    /// Starts one of the null servers of this program.
    ///
    /// # Errors
    /// As [`Running::webpush_server`].
    pub fn null(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("null").args(arguments);
        Self::start(command)
    }

    fn start(mut command: Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let output = child.stdout.take();
        let mut running = Self { origin: String::new(), child };
        let (said, line) = mpsc::channel();
        thread::spawn(move || {
            let mut first = String::new();
            let read = output.map(|output| BufReader::new(output).read_line(&mut first));
            // The receiver is gone if the line came too late.
            let _ = read.map(|_| said.send(first));
        });
        let Ok(line) = line.recv_timeout(START) else { bail!("{name} did not report that it is serving") };
        let origin =
            line.split_whitespace().find(|word| word.starts_with("http://") || word.starts_with("https://"));
        running.origin = origin.with_context(|| format!("{name} does not serve"))?.to_owned();
        Ok(running)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    /// Kills it, like a crash.
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
