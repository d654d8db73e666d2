//! Commands that run as long as a server of this program.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::IsTerminal as _;
use std::process::ExitStatus;
use tokio::process::Command;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// Runs a command to its end, and passes signals on to it.
///
/// # Errors
/// If the command cannot be started.
pub(crate) async fn run(mut command: Command, signals: &mut CommandSignals) -> anyhow::Result<ExitStatus> {
    // On a terminal it stays in the group of the shell's job, which gets the signals of the keyboard.
    let is_interactive = std::io::stdin().is_terminal();
    if !is_interactive {
        command.process_group(0);
    }
    let spawned = command.kill_on_drop(true).spawn();
    let mut child =
        spawned.with_context(|| format!("cannot run {}", command.as_std().get_program().display()))?;
    let mut received = 0;
    loop {
        tokio::select! {
            status = child.wait() => return status.context("cannot wait for the command"),
            signal = signals.next() => {
                received += 1;
                // The first one lets the command end in order.
                let signal = if received > 1 { Signal::KILL } else { signal };
                if !(is_interactive && signal == Signal::INT) {
                    pass_on(&child, signal, is_interactive);
                }
            }
        }
    }
}

/// Sends a signal to the command, and to all processes of its group if it has one of its own.
fn pass_on(child: &tokio::process::Child, signal: Signal, is_interactive: bool) {
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) else {
        return;
    };
    // It fails only if the command has just ended.
    let _ = if is_interactive { kill_process(pid, signal) } else { kill_process_group(pid, signal) };
}

/// The signals that stop a program, and that are passed on to its command.
pub(crate) struct CommandSignals([(SignalStream, Signal); 3]);

impl CommandSignals {
    /// Starts to catch them.
    ///
    /// # Errors
    /// If a handler cannot be installed.
    pub(crate) fn catch() -> std::io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::terminate())?, Signal::TERM),
            (signal(SignalKind::interrupt())?, Signal::INT),
            (signal(SignalKind::hangup())?, Signal::HUP),
        ]))
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.0.recv() => terminate.1,
            _ = interrupt.0.recv() => interrupt.1,
            _ = hangup.0.recv() => hangup.1,
        }
    }
}
