//! Makes text from others safe to print on a terminal and in a log.
//!
//! Escaped are control characters (C0, DEL and C1), which move the cursor or end a line, and those that reorder or break
//! lines in Unicode: bidirectional controls, U+2028 and U+2029.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns text as one line. Tabs stay.
///
/// ```
/// assert_eq!(webpush_core::printable::one_line("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
/// ```
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |character| character != '\t' && is_unsafe(character),
        |line, character| {
            line.extend(character.escape_default());
        },
    )
}

/// Returns text of several lines. Tabs and line feeds stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |character| !matches!(character, '\t' | '\n') && is_unsafe(character),
        |line, character| {
            line.extend(character.escape_default());
        },
    )
}

/// Returns JSON with the same value. Serializers escape C0 only.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe, |line, character| {
        // All of them are in the basic plane. Writing to a string does not fail.
        let _ = write!(line, "\\u{:04x}", u32::from(character));
    })
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            escape(&mut safe, character);
        } else {
            safe.push(character);
        }
    }
    safe.into()
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\tb ü\n\u{1b}[2J\r\u{7f}\u{9b}\u{202e}\u{2066}\u{2028}";

    /// C8: names and versions reached the terminal as they were.
    #[test]
    fn text_from_others_cannot_move_the_cursor_or_reorder_a_line() {
        let rest = "\\u{1b}[2J\\r\\u{7f}\\u{9b}\\u{202e}\\u{2066}\\u{2028}";
        assert_eq!(one_line(HOSTILE), format!("a\tb ü\\n{rest}"));
        assert_eq!(lines(HOSTILE), format!("a\tb ü\n{rest}"));
        assert!(matches!(one_line("plain ü ✓"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_value() {
        let text = serde_json::to_string(HOSTILE).unwrap();
        let safe = json(&text);
        assert!(!safe.contains(is_unsafe), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), HOSTILE);
    }
}
