//! Words and sentences in comments, messages, documents and names.

use super::breach::{Breach, Rule};
use super::lexer::Text;
use super::source::Source;
use super::words::{EXEMPT, NO_TYPE_NAMES, Scope, WORDS, Word};

/// Longest summary line of a doc comment.
const SUMMARY_COLUMNS: usize = 100;
/// Sentences must not begin with these words, unless they are questions.
const NO_OPENINGS: [&str; 7] = ["What", "Whether", "Whoever", "So many", "So much", "As many", "As much"];

/// Finds the breaches of a file.
pub(super) fn check(source: &Source, breaches: &mut Vec<Breach>) {
    if EXEMPT.contains(&source.path.as_str()) {
        return;
    }
    let mut report = |rule, line, advice| {
        breaches.push(Breach { rule, path: source.path.clone(), line, advice });
    };
    match &source.rust {
        Some(lexed) => {
            for text in lexed.texts.iter().filter(|text| !is_former_name(text, &lexed.code)) {
                words(&text.text, text.line, &mut report);
            }
            identifiers(&lexed.code, &mut report);
            for paragraph in paragraphs_of_rust(&lexed.texts) {
                sentences(&paragraph, &mut report);
            }
            summaries(&lexed.texts, &mut report);
        }
        None => {
            words(&source.text, 1, &mut report);
            if source.path.ends_with(".md") {
                for paragraph in paragraphs_of_markdown(&source.text) {
                    sentences(&paragraph, &mut report);
                }
            }
        }
    }
}

/// Returns true for a name that files or command lines from before a renaming may still have.
fn is_former_name(text: &Text, code: &str) -> bool {
    let line = code.lines().nth(text.line - 1).unwrap_or_default();
    text.marker == "\"" && line.contains("alias = ")
}

type Report<'a> = &'a mut dyn FnMut(Rule, usize, String);

/// Banned words and guillemets.
fn words(text: &str, first_line: usize, report: Report<'_>) {
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let at = first_line + number;
        if line.contains(['«', '»']) {
            report(Rule::Word, at, "guillemets: write straight quotation marks or backticks".to_owned());
        }
        for word in WORDS.iter().filter(|word| matches!(word.scope, Scope::Prose | Scope::Everywhere)) {
            for _ in 0..occurrences(&lower, word.word) {
                report(Rule::Word, at, format!("\"{}\": write {}", word.word, word.instead));
            }
        }
    }
}

/// Counts `word` as a word of its own. Beside a hyphen it is part of a name, as in draft-thomson-webpush-http2.
fn occurrences(text: &str, word: &str) -> usize {
    let is_inner = |character: char| character.is_alphanumeric() || character == '_';
    let is_whole = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|before| is_inner(before) || before == '-')
            && !after.is_some_and(|after| is_inner(after) || after == '-')
    };
    text.match_indices(word).map(|(at, _)| at).filter(is_whole).count()
}

/// Banned identifiers, parts of identifiers, and names of types.
fn identifiers(code: &str, report: Report<'_>) {
    for (number, line) in code.lines().enumerate() {
        let mut before = "";
        for (name, after) in names(line) {
            let parts = parts(name);
            let is_module = before == "mod" || after.starts_with("::");
            let is_banned = |word: &&Word| match word.scope {
                Scope::Prose => false,
                Scope::Identifier => word.word == name,
                Scope::Module => word.word == name && is_module,
                Scope::Everywhere => parts.iter().any(|part| part == word.word),
            };
            for word in WORDS.iter().filter(is_banned) {
                report(Rule::Word, number + 1, format!("`{name}`: name it {}", word.instead));
            }
            if matches!(before, "struct" | "enum" | "trait" | "type") && NO_TYPE_NAMES.contains(&name) {
                report(
                    Rule::Name,
                    number + 1,
                    format!("type `{name}`: name it with a noun that says what it is"),
                );
            }
            if before == "fn" && name == "of" {
                report(
                    Rule::Name,
                    number + 1,
                    "`fn of`: name it new, from_… or for_…, or implement From".to_owned(),
                );
            }
            before = name;
        }
    }
}

/// The identifiers of a line, each with the text after it.
fn names(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = line;
    std::iter::from_fn(move || {
        let begin = rest.find(is_inner)?;
        let name = &rest[begin..];
        let (name, after) = name.split_at(name.find(|c| !is_inner(c)).unwrap_or(name.len()));
        rest = after;
        Some((name, after))
    })
}

/// The words of an identifier, in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let mut was_lower = false;
        let mut open = String::new();
        for character in part.chars() {
            if character.is_uppercase() && was_lower {
                parts.push(std::mem::take(&mut open));
            }
            was_lower = !character.is_uppercase();
            open.extend(character.to_lowercase());
        }
        parts.push(open);
    }
    parts
}

/// Text without line breaks, and its first line number.
struct Paragraph {
    line: usize,
    text: String,
}

/// Joins the lines of each comment; each string is a paragraph.
fn paragraphs_of_rust(texts: &[Text]) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let mut last: Option<&Text> = None;
    let mut is_code = false;
    for text in texts {
        let trimmed = text.text.trim();
        let is_comment = text.marker.starts_with("//");
        let continues = is_comment
            && last.is_some_and(|last| last.marker == text.marker && last.line + 1 == text.line)
            && !begins_block(trimmed);
        if last.is_none_or(|last| last.marker != text.marker) {
            is_code = false;
        }
        is_code ^= is_comment && trimmed.starts_with("```");
        match paragraphs.last_mut() {
            _ if is_code => {}
            Some(open) if continues => {
                open.text.push(' ');
                open.text.push_str(trimmed);
            }
            _ => paragraphs.push(Paragraph { line: text.line, text: trimmed.to_owned() }),
        }
        last = (!trimmed.is_empty()).then_some(text);
    }
    paragraphs
}

/// Joins the lines of each paragraph outside code blocks.
fn paragraphs_of_markdown(text: &str) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let (mut is_code, mut is_open) = (false, false);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let is_fence = trimmed.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence || trimmed.is_empty() {
            is_open = false;
            continue;
        }
        match paragraphs.last_mut().filter(|_| is_open && !begins_block(trimmed)) {
            Some(open) => {
                open.text.push(' ');
                open.text.push_str(trimmed);
            }
            None => paragraphs.push(Paragraph { line: number + 1, text: trimmed.to_owned() }),
        }
        is_open = !trimmed.starts_with('#');
    }
    paragraphs
}

/// List items, headings, quotations and rows of tables.
fn begins_block(line: &str) -> bool {
    let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    ["- ", "* ", "#", ">", "|"].iter().any(|mark| line.starts_with(mark))
        || after_number.len() < line.len() && after_number.starts_with(". ")
}

/// Sentences that begin with a pronoun.
fn sentences(paragraph: &Paragraph, report: Report<'_>) {
    for sentence in split(&paragraph.text) {
        let plain = sentence.trim_start_matches(|c: char| !c.is_alphanumeric());
        let opening = NO_OPENINGS.iter().find(|opening| {
            plain.strip_prefix(**opening).is_some_and(|rest| rest.starts_with(' ') && rest.len() > 1)
        });
        if let Some(opening) = opening.filter(|_| !sentence.trim_end().ends_with('?')) {
            let start: String = plain.chars().take(40).collect();
            let advice =
                format!("\"{start}…\" begins with \"{opening}\": begin with a verb (Returns …) or a noun");
            report(Rule::Sentence, paragraph.line, advice);
        }
    }
}

/// Splits at ends of sentences and at the cells of tables.
fn split(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut begin = 0;
    let is_table = text.starts_with('|');
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let ends = matches!(byte, b'.' | b'!' | b'?') && bytes.get(at + 1) == Some(&b' ');
        if ends || is_table && *byte == b'|' || *byte == b'\n' {
            sentences.push(&text[begin..=at]);
            begin = at + 1;
        }
    }
    sentences.push(&text[begin..]);
    sentences
}

/// The first paragraph of a doc comment is its summary, which lists and tooltips show.
fn summaries(texts: &[Text], report: Report<'_>) {
    let mut last: Option<&Text> = None;
    let mut summary: Option<(usize, usize)> = None;
    let mut finish = |summary: &mut Option<(usize, usize)>| {
        if let Some((line, columns)) = summary.take().filter(|(_, columns)| *columns > SUMMARY_COLUMNS) {
            let advice =
                format!("a summary of {columns} columns: at most {SUMMARY_COLUMNS}, then a blank line");
            report(Rule::Summary, line, advice);
        }
    };
    for text in texts.iter().filter(|text| matches!(text.marker, "///" | "//!")) {
        let trimmed = text.text.trim();
        if !last.is_some_and(|last| last.marker == text.marker && last.line + 1 == text.line) {
            finish(&mut summary);
            summary = Some((text.line, 0));
        }
        if trimmed.is_empty() || begins_block(trimmed) {
            finish(&mut summary);
        } else if let Some((_, columns)) = &mut summary {
            *columns += trimmed.chars().count() + usize::from(*columns > 0);
        }
        last = Some(text);
    }
    finish(&mut summary);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(Rule, usize)> {
        let mut breaches = Vec::new();
        check(&Source::new(path, text), &mut breaches);
        breaches.into_iter().map(|breach| (breach.rule, breach.line)).collect()
    }

    #[test]
    fn banned_words_are_found_in_comments_messages_documents_and_names() {
        for text in ["// a «quotation»\n", "/// Prints so many lines.\n", "const A: &str = \"the verb\";\n"]
        {
            assert_eq!(rules("a.rs", text), [(Rule::Word, 1)], "{text}");
        }
        assert_eq!(
            rules("a.md", "One\n\nwhoever runs it: Mend the request.\n"),
            [(Rule::Word, 3), (Rule::Word, 3)]
        );
        for name in ["Picture", "let_go", "by_dialect", "DialectKind", "OwnerToken"] {
            assert_eq!(rules("a.rs", &format!("let _ = {name}(0);\n")), [(Rule::Word, 1)], "{name}");
        }
    }

    #[test]
    fn words_that_only_contain_a_banned_one_are_fine() {
        assert_eq!(rules("a.rs", "// A verbose proverb, amended by draft-thomson-webpush-http2.\n"), []);
        assert_eq!(rules("a.rs", "#[arg(long = \"legacy\", alias = \"thomson-default-ttl\")]\n"), []);
        assert_eq!(rules("a.rs", "/// A field.\n#[serde(alias = \"dialect\")]\n"), []);
        assert_eq!(rules("a.rs", "#[serde(rename = \"dialect\")]\n"), [(Rule::Word, 1)]);
        assert_eq!(rules("a.rs", "let heartbeat = Pictured;\n"), []);
        assert_eq!(rules("a.rs", "let fresh = waker.wake();\n"), []);
        assert_eq!(
            rules("a.rs", "mod fresh;\nuse crate::wake::Registry;\n"),
            [(Rule::Word, 1), (Rule::Word, 2)]
        );
        assert_eq!(rules("CHANGELOG.md", "«so many»\n"), []);
    }

    #[test]
    fn sentences_begin_with_a_verb_or_a_noun() {
        for text in [
            "/// Whether it is open.\n",
            "// It is open. What is\n",
            "// Fine so\n// far. What comes next is not.\n",
            "let a = \"What it is\";\n",
        ] {
            assert_eq!(rules("a.rs", text), [(Rule::Sentence, 1)], "{text}");
        }
        assert_eq!(
            rules("a.md", "# What it is\n\n| What it costs | x |\n"),
            [(Rule::Sentence, 1), (Rule::Sentence, 3)]
        );
        assert_eq!(
            rules("a.rs", "/// Returns true if it is open, and what is in it.\n// Somewhat. What is it?\n"),
            []
        );
        assert_eq!(rules("a.md", "# What is it?\n```\nWhat it is\n```\n"), []);
    }

    #[test]
    fn summaries_are_short() {
        let long = "x".repeat(SUMMARY_COLUMNS);
        assert_eq!(rules("a.rs", &format!("/// {long}\n///\n/// {long}{long}\nfn a() {{}}\n")), []);
        assert_eq!(
            rules("a.rs", &format!("fn a() {{}}\n/// {long}\n/// y\nfn b() {{}}\n")),
            [(Rule::Summary, 2)]
        );
    }

    #[test]
    fn types_are_named_with_nouns() {
        assert_eq!(rules("a.rs", "enum Told {}\n"), [(Rule::Name, 1)]);
        assert_eq!(rules("a.rs", "pub(crate) fn of(a: u8) {}\n"), [(Rule::Name, 1)]);
        assert_eq!(rules("a.rs", "enum Input { Sent }\nfn offer() {}\n"), []);
    }

    #[test]
    fn identifiers_have_parts() {
        assert_eq!(parts("DialectKind"), ["dialect", "kind"]);
        assert_eq!(parts("by_dialect"), ["by", "dialect"]);
        assert_eq!(parts("HTTP_PORT"), ["http", "port"]);
    }
}
