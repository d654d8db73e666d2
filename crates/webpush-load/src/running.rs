//! A server as a child process, which never outlives its owner.

use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// From start to the line that names the origin. A large store takes a while.
const START: Duration = Duration::from_secs(120);

/// A server that runs.
pub struct Running {
    /// Where it is, as it says.
    pub origin: String,
    child: Child,
}

impl Running {
    /// Starts webpush-server on a data directory and a port of its own choice.
    ///
    /// # Errors
    /// When it does not say within two minutes that it serves.
    pub fn webpush_server(binary: &Path, data: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--host", "127.0.0.1", "--port", "0", "--data-dir"]).arg(data).args(arguments);
        command.env("WEBPUSH_SERVER_ADMIN__LISTEN", "off");
        Self::start(command)
    }

    /// Starts one of the servers of this program that do nothing.
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
        let mut child = command.spawn().with_context(|| format!("{name} can't be started"))?;
        let output = child.stdout.take();
        let mut running = Self { origin: String::new(), child };
        let (said, line) = mpsc::channel();
        thread::spawn(move || {
            let mut first = String::new();
            let read = output.map(|output| BufReader::new(output).read_line(&mut first));
            // Nobody waits any more if it came too late.
            let _ = read.map(|_| said.send(first));
        });
        let Ok(line) = line.recv_timeout(START) else { bail!("{name} did not say that it serves") };
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
    /// Ends it as a crash would.
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
