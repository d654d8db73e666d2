//! The three-terminal scenario: a server, `webpush-server listen` and `webpush-server send`.
//!
//! ```text
//! terminal 1            terminal 2                     terminal 3
//! server                listen --state FILE ORIGIN
//!                         prints a PushSubscription  → send SUBSCRIPTION one
//!                         prints "one"
//!                       (stopped)                      send SUBSCRIPTION two, three
//! (stopped, started
//!  on the same data)    listen --state FILE ORIGIN
//!                         prints "two", "three"
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::Failure;
use super::process::{Ended, Process};
use super::server::Server;

/// For each thing the scenario waits for.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

/// How the server in the middle of the scenario is stopped.
#[derive(Clone, Copy)]
pub(super) enum Stop {
    /// SIGTERM: a planned restart.
    Terminate,
    /// SIGKILL: whatever was answered 201 must have been on disk.
    Kill,
}

pub(super) fn run(binary: &Path, scratch: &Path, stop: Stop) -> Result<Vec<String>, Failure> {
    let mut said = Vec::new();
    match play(binary, scratch, stop, &mut said) {
        Ok(()) => Ok(said),
        Err(error) => Err(Failure { lines: said, error }),
    }
}

fn play(binary: &Path, scratch: &Path, stop: Stop, said: &mut Vec<String>) -> Result<()> {
    let folder = tempfile::tempdir_in(scratch).context("cannot make a folder")?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data).context("cannot make a data folder")?;
    let log = scratch.join("server-terminals.log");
    let terminals = Terminals {
        binary,
        listen_log: scratch.join("listen.log"),
        state: folder.path().join("listen.state"),
        subscription: folder.path().join("subscription.json"),
    };

    let mut server = Server::start_plain_at(binary, &data, 0, &log)?;
    let port = server.port()?;

    let (mut listener, json) = terminals.listen(&server.origin, &[])?;
    std::fs::write(&terminals.subscription, &json).context("cannot write the subscription")?;
    said.push(format!("listening as {json}"));
    terminals.send("one", said)?;
    wait_for_message(&listener, "one")?;
    said.push("\"one\" arrived live".into());

    // Ctrl-C in terminal 2; any status will do, since it was told to go.
    listener.terminate().context("stopping listen")?;
    terminals.send("two", said)?;
    terminals.send("three", said)?;
    match stop {
        Stop::Terminate => {
            let status = server.terminate().context("stopping the server")?;
            ensure!(status.success(), "the server answered SIGTERM with {status}");
        }
        Stop::Kill => server.kill()?,
    }
    drop(server);
    let server = Server::start_plain_at(binary, &data, port, &log).context("starting the server again")?;
    said.push("the server is back".into());

    // "one" may come again: listen was stopped without being asked whether its acknowledgement had arrived.
    let (mut listener, json_again) = terminals.listen(&server.origin, &[])?;
    ensure!(json_again == json, "the subscription changed over the restart: {json_again}");
    wait_for_message(&listener, "two")?;
    wait_for_message(&listener, "three")?;
    said.push("\"two\" and \"three\" arrived in order after the restart".into());
    listener.terminate().context("stopping listen")?;

    // Acknowledged messages are gone, and --count ends the listener by itself.
    let (mut listener, _) = terminals.listen(&server.origin, &["--count", "1"])?;
    terminals.send("four", said)?;
    let mut lines = Vec::new();
    let ended = listener.run_to_end(STEP_TIMEOUT, &mut lines)?;
    ensure!(lines == ["four"], "listen --count 1 printed {lines:?} where only \"four\" was outstanding");
    match ended {
        Ended::Exited(status) => ensure!(status.success(), "listen --count 1 ended with {status}"),
        Ended::Killed => return Err(anyhow!("listen --count 1 had its message and did not end")),
    }
    said.push("listen --count 1 ended by itself".into());
    Ok(())
}

struct Terminals<'a> {
    binary: &'a Path,
    listen_log: PathBuf,
    state: PathBuf,
    subscription: PathBuf,
}

impl Terminals<'_> {
    /// Starts terminal 2 and gives the PushSubscription it prints first.
    fn listen(&self, origin: &str, options: &[&str]) -> Result<(Process, String)> {
        let mut command = Command::new(self.binary);
        command.arg("listen").args(options).arg("--state").arg(&self.state).arg(origin);
        // What it says to a person must not be taken for a message.
        let log = File::options().create(true).append(true).open(&self.listen_log);
        command.stderr(log.with_context(|| format!("cannot write {}", self.listen_log.display()))?);
        let listener = Process::start(command)?;
        let json = listener.wait_for("PushSubscription", STEP_TIMEOUT, |line| {
            line.starts_with('{').then(|| line.to_owned())
        })?;
        ensure!(json.contains("\"endpoint\"") && json.contains("\"keys\""), "not a PushSubscription: {json}");
        Ok((listener, json))
    }

    /// Runs terminal 3 to its end.
    fn send(&self, text: &str, said: &mut Vec<String>) -> Result<()> {
        let mut command = Command::new(self.binary);
        command.arg("send").arg(&self.subscription).arg(text).stderr(Stdio::piped());
        let mut lines = Vec::new();
        match Process::start(command)?.run_to_end(STEP_TIMEOUT, &mut lines)? {
            Ended::Exited(status) => ensure!(status.success(), "send {text} ended with {status}: {lines:?}"),
            Ended::Killed => return Err(anyhow!("send {text} did not end: {lines:?}")),
        }
        ensure!(
            lines.iter().any(|line| line.contains("/message/")),
            "send {text} printed no message URL, only {lines:?}"
        );
        said.push(format!("sent {text:?}: {}", lines.join(" ")));
        Ok(())
    }
}

fn wait_for_message(listener: &Process, text: &str) -> Result<()> {
    listener.wait_for(&format!("message {text:?}"), STEP_TIMEOUT, |line| (line == text).then_some(()))
}
