//! Splits Rust source into code, comments and string literals.

/// A comment line or a string literal, without its delimiters.
#[derive(Debug, PartialEq)]
pub(super) struct Text {
    pub(super) line: usize,
    /// `///`, `//!`, `//`, `/*` or `"`.
    pub(super) marker: &'static str,
    pub(super) text: String,
}

/// A source file in parts.
pub(super) struct Lexed {
    /// The source with comments and the contents of literals blanked; lines keep their numbers.
    pub(super) code: String,
    pub(super) texts: Vec<Text>,
}

/// Splits `source`, which need not compile.
pub(super) fn lex(source: &str) -> Lexed {
    let mut lexer =
        Lexer { rest: source, line: 1, code: String::with_capacity(source.len()), texts: Vec::new() };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    Lexed { code: lexer.code, texts: lexer.texts }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    texts: Vec<Text>,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if let Some(marker) = ["///", "//!", "//"].into_iter().find(|marker| rest.starts_with(marker)) {
            let end = rest.find('\n').unwrap_or(rest.len());
            self.push(marker, &rest[marker.len()..end], end);
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |at| at + 2);
            self.push("/*", rest[2..end].trim_end_matches("*/"), end);
        } else if let Some(quote) = self.raw_string() {
            let (open, close) = quote;
            let body = rest.get(open..).unwrap_or_default();
            let length = body.find(&close).unwrap_or(body.len());
            self.push("\"", &body[..length], (open + length + close.len()).min(rest.len()));
        } else if let Some(body) = rest.strip_prefix('"') {
            let length = string_length(body);
            self.push("\"", &unescape(&body[..length]), (length + 2).min(rest.len()));
        } else if let Some(length) = char_literal(rest) {
            self.blank(length);
        } else if let Some(first) = rest.chars().next() {
            self.line += usize::from(first == '\n');
            self.code.push(first);
            self.rest = &rest[first.len_utf8()..];
        }
    }

    /// Where the text of a raw string at this place begins, and what ends it.
    fn raw_string(&self) -> Option<(usize, String)> {
        if self.code.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
            return None;
        }
        let prefix = ["br", "cr", "r"].into_iter().find(|prefix| self.rest.starts_with(prefix))?;
        let after = &self.rest[prefix.len()..];
        let hashes = after.len() - after.trim_start_matches('#').len();
        after[hashes..]
            .starts_with('"')
            .then(|| (prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
    }

    fn push(&mut self, marker: &'static str, text: &str, length: usize) {
        self.texts.push(Text { line: self.line, marker, text: text.to_owned() });
        self.blank(length);
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self.rest.split_at(length);
        for character in blanked.chars() {
            self.line += usize::from(character == '\n');
            self.code.push(if character == '\n' { '\n' } else { ' ' });
        }
        self.rest = rest;
    }
}

/// The length of a string's text, to its closing quote or the end of the file.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' if !is_escaped => return at,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

/// The text that people read: continued lines are joined, escaped characters stand for themselves.
fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            result.push(character);
            continue;
        }
        match characters.next() {
            Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
            Some('n') => result.push('\n'),
            Some(other) => result.push(other),
            None => {}
        }
    }
    result
}

/// Returns the length of a character literal, or `None` for a lifetime.
fn char_literal(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escaped) = inner.strip_prefix('\\') {
        let first = escaped.chars().next()?.len_utf8();
        return Some(2 + first + escaped[first..].find('\'')? + 1);
    }
    let first = inner.chars().next()?;
    inner[first.len_utf8()..].starts_with('\'').then(|| 2 + first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_told_from_code() {
        let lexed = lex(
            "//! Top\nfn f<'a>() { // why\n    g(\"a \\\"b\\\" \\\n      c\", '\"', r#\"x \"y\" z\"#); /* off */\n}\n",
        );
        let texts: Vec<_> =
            lexed.texts.iter().map(|text| (text.line, text.marker, text.text.trim())).collect();
        assert_eq!(
            texts,
            [
                (1, "//!", "Top"),
                (2, "//", "why"),
                (3, "\"", "a \"b\" c"),
                (4, "\"", "x \"y\" z"),
                (4, "/*", "off")
            ]
        );
        let code: Vec<&str> = lexed.code.split_whitespace().collect();
        assert_eq!(code, ["fn", "f<'a>()", "{", "g(", ",", ",", ");", "}"]);
        assert_eq!(lexed.code.lines().count(), 5);
    }

    #[test]
    fn unfinished_source_is_no_panic() {
        for source in ["\"", "\"a", "\"a\\", "r#\"a", "'", "'\\", "/*", "//", "\"é"] {
            lex(source);
        }
    }
}
