//! Locations of modules, lengths of files, and leftovers.

use super::breach::{Breach, Rule};
use super::source::Source;

/// Maximum number of lines of a file.
const MAX_LINES: usize = 500;
/// Module names that do not describe their contents.
const VAGUE_NAMES: [&str; 6] = ["common", "util", "utils", "helpers", "misc", "types"];
/// Split, so that this file does not contain them itself.
const LEFTOVERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("dbg", "!(")];

/// Checks a Rust file; others have no breach.
pub(super) fn check(source: &Source, breaches: &mut Vec<Breach>) {
    if source.rust.is_none() {
        return;
    }
    let mut report =
        |rule, line, advice| breaches.push(Breach { rule, path: source.path.clone(), line, advice });
    // tests/it/main.rs is a crate; below tests/, mod.rs is what cargo does not build as a test of its own.
    if let Some(directory) = source.path.strip_suffix("/mod.rs") {
        report(Rule::Layout, 1, format!("a mod.rs: move it to {directory}.rs"));
    }
    let stem = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if VAGUE_NAMES.contains(&stem) {
        report(Rule::Layout, 1, format!("a module called {stem}: name it by what it holds"));
    }
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        report(
            Rule::Layout,
            lines,
            format!("{lines} lines, and {MAX_LINES} are the most: split it by ideas"),
        );
    }
    for (number, line) in source.text.lines().enumerate() {
        for word in LEFTOVERS.iter().filter(|word| line.contains(**word)) {
            report(Rule::Leftover, number + 1, format!("{word} was left behind: do it, or file an issue"));
        }
    }
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
    fn modules_are_files_beside_their_directory() {
        assert_eq!(rules("crates/x/src/a/mod.rs", ""), [(Rule::Layout, 1)]);
        assert_eq!(rules("crates/x/src/util.rs", ""), [(Rule::Layout, 1)]);
        assert_eq!(rules("crates/x/src/a.rs", ""), []);
    }

    #[test]
    fn long_files_and_leftovers_are_breaches() {
        assert_eq!(rules("a.rs", &"\n".repeat(MAX_LINES)), []);
        assert_eq!(rules("a.rs", &"\n".repeat(MAX_LINES + 1)), [(Rule::Layout, MAX_LINES + 1)]);
        for word in LEFTOVERS {
            assert_eq!(rules("a.rs", &format!("\nx {word} y\n")), [(Rule::Leftover, 2)], "{word}");
        }
    }
}
