//! The files that the rules are about.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::lexer::{self, Lexed};

/// Directories of third-party and generated files.
const SKIPPED: [&str; 6] = ["target", "node_modules", "corpus", "artifacts", ".git", "__pycache__"];
/// Extensions of text files other than Rust.
const PROSE: [&str; 11] = ["md", "toml", "js", "mjs", "html", "css", "py", "sh", "service", "socket", "nix"];

/// A text file of the repository.
pub(super) struct Source {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// For Rust only.
    pub(super) rust: Option<Lexed>,
}

impl Source {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let rust = path.ends_with(".rs").then(|| lexer::lex(&text));
        Self { path, text, rust }
    }

    /// Returns the code of a Rust file with test code blanked out.
    pub(super) fn shipped_code(&self) -> Option<String> {
        let lexed = self.rust.as_ref()?;
        let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "benches" | "examples");
        let is_test = self.path.split('/').any(is_test) || lexed.code.contains("#![cfg(test)]");
        (!is_test).then(|| without_tests(&lexed.code))
    }

    /// Returns the name of the directory below `crates/`, or `xtask`, or the first directory.
    pub(super) fn package(&self) -> &str {
        let inner = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        inner.split('/').next().unwrap_or_default()
    }
}

/// Reads every text file below `root`, in the order of their paths.
pub(super) fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    visit(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn visit(root: &Path, directory: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_ref()) {
                visit(root, &path, sources)?;
            }
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let is_script = path.ends_with(".ci/run") || path.ends_with("interop/install");
        if extension == "rs" || PROSE.contains(&extension.as_ref()) || is_script {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            sources.push(Source::new(relative.to_string_lossy().replace('\\', "/"), text));
        }
    }
    Ok(())
}

/// Blanks items under `#[cfg(test)]`; lines keep their numbers.
fn without_tests(code: &str) -> String {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(ATTRIBUTE) {
        let (before, item) = rest.split_at(at);
        let (item, after) = item.split_at(item_length(item));
        kept.push_str(before);
        kept.extend(item.chars().filter(|character| *character == '\n'));
        rest = after;
    }
    kept + rest
}

/// The length of an item: to its `;`, or to the brace that closes its body.
fn item_length(item: &str) -> usize {
    let mut depth = 0usize;
    for (at, character) in item.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_ship() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { {} }\n}\n#[cfg(test)]\nuse c;\nfn d() {}\n";
        let code = Source::new("crates/x/src/a.rs", text).shipped_code().unwrap();
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["fn", "a()", "{}", "fn", "d()", "{}"]);
        assert_eq!(code.lines().count(), text.lines().count());
        assert!(Source::new("crates/x/src/a/tests.rs", "fn a() {}").shipped_code().is_none());
        assert!(Source::new("crates/x/tests/it/a.rs", "fn a() {}").shipped_code().is_none());
    }

    #[test]
    fn a_file_belongs_to_its_package() {
        assert_eq!(Source::new("crates/webpush-core/src/lib.rs", "").package(), "webpush-core");
        assert_eq!(Source::new("xtask/src/main.rs", "").package(), "xtask");
    }
}
