//! Runs programs, and checks that they are installed; errors include the program and its output.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Runs a program; fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program and returns its standard output; fails if the program does.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(
        done.status.success(),
        "{shown} failed ({}):\n{text}{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(text)
}

/// Returns true if a program succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let shown = shown(command);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(status.with_context(|| format!("cannot run {shown}"))?.success())
}

/// Fails with what to install when a program is missing.
pub(crate) fn needs(programs: &[(&str, &str)]) -> Result<()> {
    for (program, package) in programs {
        let found = succeeds(Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]))?;
        ensure!(found, "the program {program} is missing: it is in the Debian package {package}");
    }
    Ok(())
}

/// Fails without root, for tasks that change the system or leave its file tree.
pub(crate) fn needs_root(task: &str) -> Result<()> {
    let user = output(Command::new("id").arg("-u"))?;
    ensure!(user.trim() == "0", "cargo xtask {task} must run as root");
    Ok(())
}

/// The files of a directory, in order.
pub(crate) fn files_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
