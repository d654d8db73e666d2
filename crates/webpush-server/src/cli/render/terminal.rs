//! Results on standard output, messages on standard error.
//!
//! A closed stream causes no panic, and no text from others reaches the terminal with control characters.

use anyhow::bail;
use serde::Serialize;
use std::io::{self, BufRead as _, IsTerminal, Write};
use webpush_core::printable;

/// Prints a result as one line, and flushes it.
///
/// # Errors
/// Fails if standard output cannot be written.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(printable::lines(text).as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Prints a result as one line of JSON.
///
/// # Errors
/// Fails if standard output cannot be written.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    line(&printable::json(&serde_json::to_string(value)?))
}

/// Prints a note.
pub(crate) fn note(text: &str) {
    to_stderr("note", "\x1b[1m\x1b[36m", text);
}

/// Prints a warning.
pub(crate) fn warning(text: &str) {
    to_stderr("warning", "\x1b[1m\x1b[33m", text);
}

/// Prints an error.
pub(crate) fn error(text: &str) {
    to_stderr("error", "\x1b[1m\x1b[31m", text);
}

/// Asks on the terminal whether to do what cannot be undone. `yes` answers in advance.
///
/// # Errors
/// Fails unless the answer is yes. Without a terminal nothing is asked.
pub(crate) fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        bail!("this cannot be undone: pass --yes to confirm");
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{} [y/N] ", printable::one_line(question))?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if is_yes(&answer) { Ok(()) } else { bail!("nothing was changed") }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn to_stderr(label: &str, colour: &str, text: &str) {
    let stderr = io::stderr();
    // https://no-color.org: any value that is not empty.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let (on, off) = if stderr.is_terminal() && !plain { (colour, "\x1b[0m") } else { ("", "") };
    // Without standard error there is no place to report this.
    let _ = writeln!(stderr.lock(), "{on}{label}:{off} {}", printable::lines(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E7: `agents revoke` did not ask.
    #[test]
    fn only_yes_is_yes() {
        assert!(["y", "Y\n", " yes\r\n", "YES"].into_iter().all(is_yes));
        assert!(!["", "\n", "n", "yeah", "y y"].into_iter().any(is_yes));
    }
}
