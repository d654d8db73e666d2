//! Text from others that is printed.

use serde_json::Value;
use webpush_core::printable;

pub(super) const TOKENS: &[&[u8]] = &[
    b"\x1b[2J",
    b"\r\n",
    b"\t",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"\xe2\x81\xa6",
    b"\xe2\x80\xa8",
    b"\xd8\x9c",
    b"\xef\xbb\xbf",
    b"\"",
    b"\\",
];

pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let is_kept = |character: char| !character.is_control() && !is_bidirectional(character);
    let line = printable::one_line(&text);
    assert!(line.chars().all(|character| character == '\t' || is_kept(character)));
    let lines = printable::lines(&text);
    assert!(lines.chars().all(|character| matches!(character, '\t' | '\n') || is_kept(character)));
    assert_eq!(line, printable::one_line(&lines), "more than line feeds differ");
    assert_eq!(lines.matches('\n').count(), text.matches('\n').count());
    assert_eq!(printable::one_line(&line), line, "it is escaped twice");
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let compact = value.to_string();
        let safe = printable::json(&compact);
        assert!(safe.chars().all(is_kept));
        let value: Value = serde_json::from_str(&compact).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), value);
    }
}

/// Unicode, "Bidirectional Algorithm": the controls, and the separators that end lines.
fn is_bidirectional(character: char) -> bool {
    let number = u32::from(character);
    matches!(number, 0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069 | 0xfeff)
}
