//! A child process with output by lines and a deadline, killed when it is dropped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a process may take to exit after a signal, or after it has closed its output.
const END_TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) struct Process {
    child: Child,
    name: String,
    /// Disconnected when every writer of the output has exited, which shows the end without polling.
    lines: Receiver<String>,
}

/// How [`Process::run_to_end`] ended.
pub(crate) enum End {
    Exited(ExitStatus),
    /// At the deadline.
    Killed,
}

impl Process {
    /// Starts `command`; its stderr is among the lines unless the command redirects it.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            forward_lines(stderr, sender.clone());
        }
        if let Some(stdout) = child.stdout.take() {
            forward_lines(stdout, sender);
        }
        Ok(Self { child, name, lines })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next result of `pick`; skips lines for which it returns `None`.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        timeout: Duration,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match pick(&line) {
                    Some(found) => return Ok(found),
                    None => seen.push(line),
                },
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} printed no {what} within {} s, only {seen:?}", self.name, timeout.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended without printing {what}, only {seen:?}", self.name)
                }
            }
        }
    }

    /// Collects lines until the process ends by itself, or kills it when the time is up.
    pub(crate) fn run_to_end(&mut self, timeout: Duration, lines: &mut Vec<String>) -> Result<End> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Exited(self.child.wait()?)),
                Err(RecvTimeoutError::Timeout) => {
                    self.kill()?;
                    return Ok(End::Killed);
                }
            }
        }
    }

    /// Asks the process to end as an administrator would, and waits until it has.
    pub(crate) fn terminate(&mut self) -> Result<ExitStatus> {
        // The standard library can only kill; every POSIX shell has `kill` built in, and procps may be missing.
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &self.child.id().to_string()])
            .status()
            .context("cannot run sh")?;
        ensure!(told.success(), "cannot send SIGTERM to {}", self.name);
        let mut lines = Vec::new();
        match self.run_to_end(END_TIMEOUT, &mut lines)? {
            End::Exited(status) => Ok(status),
            End::Killed => {
                bail!("{} did not end within {} s of SIGTERM", self.name, END_TIMEOUT.as_secs())
            }
        }
    }

    /// Kills the process, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        Ok(())
    }

    /// The status, if the process has ended already.
    pub(crate) fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot look after {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if the process has ended already, which is the goal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward_lines(output: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        // Bytes, not text: a message body in a client's output need not be UTF-8.
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stderr(Stdio::piped());
        Process::start(command).unwrap()
    }

    #[test]
    fn wait_for_passes_over_other_lines_and_names_what_it_missed() {
        let process = sh("echo one; echo two >&2; echo three");
        let found = process.wait_for("three", END_TIMEOUT, |line| (line == "three").then_some(3)).unwrap();
        assert_eq!(found, 3);
        let error = process.wait_for("four", END_TIMEOUT, |line| (line == "four").then_some(4)).unwrap_err();
        assert!(error.to_string().contains("without printing four"), "{error}");
    }

    #[test]
    fn run_to_end_reports_the_status_and_kills_what_hangs() {
        let mut lines = Vec::new();
        let End::Exited(status) = sh("echo said; exit 7").run_to_end(END_TIMEOUT, &mut lines).unwrap() else {
            panic!("it was killed")
        };
        assert_eq!((status.code(), lines), (Some(7), vec!["said".to_owned()]));
        let mut hangs = sh("exec sleep 60");
        assert!(matches!(hangs.run_to_end(Duration::from_millis(50), &mut Vec::new()), Ok(End::Killed)));
    }

    #[test]
    fn terminate_waits_for_the_end() {
        let mut process = sh("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done");
        process.wait_for("ready", END_TIMEOUT, |line| (line == "ready").then_some(())).unwrap();
        assert_eq!(process.terminate().unwrap().code(), Some(3));
    }
}
