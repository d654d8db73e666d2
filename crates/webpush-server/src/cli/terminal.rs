//! Standard output for results, standard error for people. A closed stream ends nothing with a panic.

use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// A result: one line, out at once.
///
/// # Errors
/// What the stream says.
pub fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// A result as one line of JSON.
///
/// # Errors
/// What the stream says.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Something that a person may want to know.
pub fn note(text: &str) {
    to_stderr("note", "\x1b[1m\x1b[36m", text);
}

/// Something that went wrong and goes on.
pub fn warning(text: &str) {
    to_stderr("warning", "\x1b[1m\x1b[33m", text);
}

/// Why it ends.
pub fn error(text: &str) {
    to_stderr("error", "\x1b[1m\x1b[31m", text);
}

fn to_stderr(label: &str, colour: &str, text: &str) {
    let stderr = io::stderr();
    // https://no-color.org: any value that is not empty.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let (on, off) = if stderr.is_terminal() && !plain { (colour, "\x1b[0m") } else { ("", "") };
    // Without standard error there is nobody to tell.
    let _ = writeln!(stderr.lock(), "{on}{label}:{off} {text}");
}

/// Text of a stranger on one line: what would move the cursor or end the line is shown escaped.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_move_the_cursor() {
        assert_eq!(one_line("a\tb ü\n\x1b[2J\r"), "a\tb ü\\n\\u{1b}[2J\\r");
    }
}
