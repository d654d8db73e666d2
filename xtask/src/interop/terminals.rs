//! The three-terminal scenario: a server, `webpush-server listen` and `webpush-server send`.
//!
//! ```text
//! terminal 1            terminal 2                          terminal 3
//! server                listen --state FILE ORIGIN
//!                         prints a PushSubscription
//!                       (stopped)
//!                       listen --count 1 --state FILE …     send SUBSCRIPTION one
//!                         prints "one", ends
//!                                                           send SUBSCRIPTION two, three
//! (stopped, started
//!  on the same data)    listen --count 2 --state FILE …
//!                         prints "two", "three", ends
//!                       listen --state FILE …
//! (stopped and started)   prints "five"                     send SUBSCRIPTION five
//! ```
//!
//! Listeners that get messages end by `--count`: one that is stopped may have printed messages that it has not
//! acknowledged yet, and may then print them again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Failure;
use super::process::{End, Process};
use super::server::Server;

/// Time limit for each thing that the scenario waits for.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

/// `listen` connects again after 1 to 30 seconds.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(45);

/// How the server in the middle of the scenario is stopped.
#[derive(Clone, Copy)]
pub(super) enum Stop {
    /// SIGTERM: a planned restart.
    Terminate,
    /// SIGKILL: every message with a 201 must be on disk.
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
    let directory = tempfile::tempdir_in(scratch).context("cannot make a directory")?;
    let data = directory.path().join("data");
    std::fs::create_dir(&data).context("cannot make a data directory")?;
    let log = scratch.join("server-terminals.log");
    let terminals = Terminals {
        binary,
        listen_log: scratch.join("listen.log"),
        state: directory.path().join("listen.state"),
        subscription: directory.path().join("subscription.json"),
    };

    let mut server = Server::start_plain_at(binary, &data, 0, &log)?;
    let port = server.port()?;

    let (mut listener, json) = terminals.listen(&server.origin, &[])?;
    std::fs::write(&terminals.subscription, &json).context("cannot write the subscription")?;
    said.push(format!("ok    listening as {json}"));
    // Ctrl-C in terminal 2; any status is fine.
    listener.terminate().context("stopping listen")?;

    let (listener, json_again) = terminals.listen(&server.origin, &["--count", "1"])?;
    ensure!(json_again == json, "the subscription of --state became another: {json_again}");
    terminals.send("one", said)?;
    expect_messages(listener, &["one"])?;
    said.push("ok    \"one\" arrived live".into());

    terminals.send("two", said)?;
    terminals.send("three", said)?;
    stop_server(&mut server, stop)?;
    drop(server);
    let mut server =
        Server::start_plain_at(binary, &data, port, &log).context("starting the server again")?;
    said.push("ok    the server is back".into());

    let (listener, json_again) = terminals.listen(&server.origin, &["--count", "2"])?;
    ensure!(json_again == json, "the subscription changed over the restart: {json_again}");
    expect_messages(listener, &["two", "three"])?;
    said.push("ok    \"two\" and \"three\" arrived in order after the restart".into());

    let (listener, _) = terminals.listen(&server.origin, &["--count", "1"])?;
    terminals.send("four", said)?;
    expect_messages(listener, &["four"])?;
    said.push("ok    what was acknowledged did not come again".into());

    // A connected listener does not keep the server from stopping, and reconnects by itself.
    let (mut listener, _) = terminals.listen(&server.origin, &[])?;
    stop_server(&mut server, stop)?;
    drop(server);
    let _server =
        Server::start_plain_at(binary, &data, port, &log).context("starting the server a third time")?;
    terminals.send("five", said)?;
    listener.wait_for("message \"five\"", RECONNECT_TIMEOUT, |line| (line == "five").then_some(()))?;
    listener.terminate().context("stopping listen")?;
    said.push("ok    a listener came back by itself after the server did".into());
    Ok(())
}

fn stop_server(server: &mut Server, stop: Stop) -> Result<()> {
    match stop {
        Stop::Terminate => {
            let status = server.terminate().context("stopping the server")?;
            ensure!(status.success(), "the server answered SIGTERM with {status}");
            Ok(())
        }
        Stop::Kill => server.kill(),
    }
}

/// The listener must print these and no others, and then exit successfully by itself.
fn expect_messages(mut listener: Process, messages: &[&str]) -> Result<()> {
    let mut lines = Vec::new();
    let ended = listener.run_to_end(STEP_TIMEOUT, &mut lines)?;
    ensure!(lines == messages, "listen printed {lines:?} instead of {messages:?}");
    match ended {
        End::Exited(status) => ensure!(status.success(), "listen ended with {status}"),
        End::Killed => bail!("listen --count had its messages and did not end"),
    }
    Ok(())
}

struct Terminals<'a> {
    binary: &'a Path,
    listen_log: PathBuf,
    state: PathBuf,
    subscription: PathBuf,
}

impl Terminals<'_> {
    /// Starts terminal 2, and returns the PushSubscription that it prints first.
    fn listen(&self, origin: &str, options: &[&str]) -> Result<(Process, String)> {
        let mut command = Command::new(self.binary);
        command.arg("listen").args(options).arg("--state").arg(&self.state).arg(origin);
        // Notes for people are not messages.
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
            End::Exited(status) => ensure!(status.success(), "send {text} ended with {status}: {lines:?}"),
            End::Killed => bail!("send {text} did not end: {lines:?}"),
        }
        ensure!(
            lines.iter().any(|line| line.contains("/message/")),
            "send {text} printed no message URL, only {lines:?}"
        );
        said.push(format!("ok    sent {text:?}: {}", lines.join(" ")));
        Ok(())
    }
}
