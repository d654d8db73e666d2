//! Programs that a chore runs, and what must hold before: each failure names the program and what it said.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Runs a program to its end, which must be a success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// What a program wrote to standard output; it must end with success.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(
        done.status.success(),
        "{shown} failed ({}):\n{said}{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(said)
}

/// Whether a program ended with success; what it says is not shown.
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

/// Both change the system, or leave its file tree.
pub(crate) fn needs_root(chore: &str) -> Result<()> {
    let user = output(Command::new("id").arg("-u"))?;
    ensure!(user.trim() == "0", "cargo xtask {chore} must run as root");
    Ok(())
}

/// The files of a folder, in order.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
