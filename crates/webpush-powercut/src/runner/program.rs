//! The program under test: its server process and its commands.

use super::http::ORIGIN;
use crate::disk::Disk;
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A start or a command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long an error of the runner waits for a killed process.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// How often a process that is waited for is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The program, and the directory for its sockets, which is not on the disk under test.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The executable file.
    pub(crate) file: PathBuf,
    /// For the admin socket.
    pub(crate) directory: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The port that it listens on.
    pub(crate) port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// How a start ended.
#[derive(Debug)]
pub(crate) enum StartResult {
    /// The server is ready.
    Ready(Server),
    /// The power was cut first.
    Cut {
        /// Standard error.
        log: String,
    },
    /// The process ended by itself.
    Ended {
        /// Standard error.
        log: String,
    },
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct CommandResult {
    /// None if the power was cut first.
    pub(crate) status: Option<ExitStatus>,
    /// Standard output and standard error.
    pub(crate) output: String,
}

impl CommandResult {
    /// Returns true if the command succeeded.
    #[must_use]
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

impl Program {
    fn admin(&self) -> String {
        format!("unix:{}", self.directory.join("admin").display())
    }

    /// Starts a server, and waits until it is ready, it has ended, or the power is cut.
    ///
    /// # Errors
    /// Fails if it hangs, panics, or cannot be run.
    pub(crate) fn start(&self, data_dir: &Path, more: &[&str], disk: &Disk) -> anyhow::Result<StartResult> {
        let mut command = Command::new(&self.file);
        command.args([
            "serve",
            "--port",
            "0",
            "--origin",
            ORIGIN,
            "--reserve",
            "1MiB",
            "--row-cache",
            "4MiB",
        ]);
        // Flushes come after a few messages, so that a short run has all phases of a long one.
        command.args(["--memtable", "48KiB", "--log-format", "text", "--admin", &self.admin()]);
        command.arg("--data-dir").arg(data_dir).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.file.display()))?;
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, reader) = read_output(&mut child, &log)?;
        let begun = Instant::now();
        let mut server = Server { child, port: 0, log, reader: Some(reader) };
        loop {
            match lines.recv_timeout(POLL) {
                Ok(line) => {
                    server.port = parse_port(&line).with_context(|| format!("no port in: {line}"))?;
                    return Ok(StartResult::Ready(server));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let log = server.kill_after(disk)?;
                    return Ok(if disk.is_cut() {
                        StartResult::Cut { log }
                    } else {
                        StartResult::Ended { log }
                    });
                }
                Err(RecvTimeoutError::Timeout) if disk.is_cut() => {
                    return Ok(StartResult::Cut { log: server.kill(disk)? });
                }
                Err(RecvTimeoutError::Timeout) if begun.elapsed() > PATIENCE => {
                    disk.cut_now();
                    bail!("the start hangs; standard error:\n{}", server.kill(disk)?);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Runs a command until it ends or the power is cut.
    ///
    /// # Errors
    /// Fails if it hangs, panics, or cannot be run.
    pub(crate) fn run(&self, arguments: &[&str], disk: &Disk) -> anyhow::Result<CommandResult> {
        self.run_until_cut(arguments, disk, true)
    }

    fn run_until_cut(
        &self,
        arguments: &[&str],
        disk: &Disk,
        is_alone: bool,
    ) -> anyhow::Result<CommandResult> {
        let mut command = Command::new(&self.file);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.file.display()))?;
        let output = Arc::new(Mutex::new(String::new()));
        let (lines, reader) = read_output(&mut child, &output)?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if disk.is_cut() {
                child.kill()?;
                break None;
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                bail!("{} hangs", arguments.join(" "));
            }
            thread::sleep(POLL);
        };
        if status.is_none() {
            // Blocked calls have to fail before the kernel can end the process. A server must be killed before that.
            if is_alone {
                disk.switch_off();
            }
            child.wait()?;
        }
        let lines: Vec<String> = lines.iter().collect();
        join(reader)?;
        let output = format!("{}{}", lines.concat(), text(&output));
        check_for_panic(&output)?;
        Ok(CommandResult { status, output })
    }

    /// Runs a command that talks to the running server, which somebody else kills when the power is cut.
    ///
    /// # Errors
    /// See [`Program::run`].
    pub(crate) fn administer(
        &self,
        arguments: &[&str],
        data_dir: &Path,
        disk: &Disk,
    ) -> anyhow::Result<CommandResult> {
        let (admin, data_dir) = (self.admin(), data_dir.display().to_string());
        self.run_until_cut(&[arguments, &["--admin", &admin, "--data-dir", &data_dir]].concat(), disk, false)
    }
}

impl Server {
    /// Returns standard error.
    #[must_use]
    pub(crate) fn log(&self) -> String {
        text(&self.log)
    }

    /// Returns true if the process has ended by itself.
    ///
    /// # Errors
    /// Fails if the system does.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Cuts the power if that has not happened, kills the process, and returns standard error.
    ///
    /// # Errors
    /// Fails if the process has panicked.
    pub(crate) fn kill(mut self, disk: &Disk) -> anyhow::Result<String> {
        disk.cut_now();
        self.child.kill()?;
        self.kill_after(disk)
    }

    /// Kills the process while the disk goes on working, and returns standard error.
    ///
    /// # Errors
    /// Fails if the process has panicked.
    pub(crate) fn end(mut self) -> anyhow::Result<String> {
        self.child.kill()?;
        self.child.wait()?;
        self.reader.take().map_or(Ok(()), join)?;
        let log = self.log();
        check_for_panic(&log)?;
        Ok(log)
    }

    /// Reaps a process that is dead or dying.
    fn kill_after(&mut self, disk: &Disk) -> anyhow::Result<String> {
        if disk.is_cut() {
            self.child.kill()?;
            disk.switch_off();
        }
        self.child.wait()?;
        self.reader.take().map_or(Ok(()), join)?;
        let log = self.log();
        check_for_panic(&log)?;
        Ok(log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an error of the runner itself. The process keeps the disk busy until it has ended, which a frozen disk delays.
        drop(self.child.kill());
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < KILL_LIMIT {
            thread::sleep(POLL);
        }
    }
}

fn check_for_panic(log: &str) -> anyhow::Result<()> {
    match log.find("panicked at") {
        Some(at) => bail!("the program panicked:\n{}", &log[log[..at].rfind('\n').unwrap_or(0)..]),
        None => Ok(()),
    }
}

/// Collects standard error in `log` by a thread, and returns the lines of standard output.
fn read_output(
    child: &mut Child,
    log: &Arc<Mutex<String>>,
) -> anyhow::Result<(mpsc::Receiver<String>, JoinHandle<()>)> {
    let output = child.stdout.take().context("no standard output")?;
    let mut errors = child.stderr.take().context("no standard error")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    let log = Arc::clone(log);
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = errors.read(&mut bytes) {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    Ok((lines, reader))
}

/// Waits until all of standard error is read, which ends with the process.
fn join(reader: JoinHandle<()>) -> anyhow::Result<()> {
    reader.join().map_err(|_| anyhow::anyhow!("the reader of standard error panicked"))
}

fn text(log: &Mutex<String>) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Returns the port of `… serves ORIGIN on ADDRESS:PORT, data in …`.
fn parse_port(line: &str) -> Option<u16> {
    let address = line.split_once(" on ")?.1.split([',', ';', ' ']).next()?;
    address.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_that_of_the_announcement() {
        let line =
            "webpush-server 0.1.0 serves http://push.test on 127.0.0.1:4711, data in x, admin on y; try";
        assert_eq!(parse_port(line), Some(4711));
        assert_eq!(parse_port("something else"), None);
    }
}
