//! Runs a command, and outlives the signals that end it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, which no longer end this process.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns the name of the next signal, for `kill`.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "INT",
            _ = self.terminate.recv() => "TERM",
        }
    }

    /// Runs a command, passes signals on to it, and returns its exit status.
    pub(super) async fn run(
        &mut self,
        program: &OsString,
        arguments: &[OsString],
        variables: &[(&'static str, String)],
    ) -> Result<ExitCode> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child =
            command.spawn().with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
        let pid = child.id().context("a running process has an ID")?.to_string();
        loop {
            tokio::select! {
                status = child.wait() => return Ok(ExitCode::from(exit_number(status?))),
                signal = self.next() => {
                    Command::new("sh")
                        .args(["-c", "kill -\"$1\" \"$2\"", "sh", signal, &pid])
                        .status()
                        .context("cannot run sh")?;
                }
            }
        }
    }
}

/// Returns the exit status as shells do: 128 and the signal if one ended the process.
fn exit_number(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| Some(128 + status.signal()?));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_and_signal_are_passed_on() {
        for (script, number) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
            let status = Command::new("sh").args(["-c", script]).status().unwrap();
            assert_eq!(exit_number(status), number, "{script}");
        }
    }
}
