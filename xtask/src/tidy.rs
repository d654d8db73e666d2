//! House rules that no lint knows: what crates may depend on, how long files may be, what must not be left behind, and that
//! links of documents lead somewhere.

use crate::links;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What the pure core may use: nothing with sockets, files, a clock, randomness, tasks, logs or metrics.
const CORE_MAY_USE: [&str; 7] = ["aes-gcm-siv", "base64", "bytes", "http", "httpdate", "serde", "serde_json"];
/// What the stores may use besides: an engine and a log, but no async runtime.
const STORE_MAY_USE: [&str; 5] = ["bytes", "fjall", "tracing", "webpush-core", "xxhash-rust"];
/// What measures, and is never shipped.
const NEVER_SHIPPED: &str = "webpush-load";
/// Past this a file is to be split.
const MOST_LINES: usize = 500;
/// Written so that this file does not hold them.
const LEFT_BEHIND: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("dbg", "!(")];

/// Prints every breach; true when there is none.
pub(crate) fn run() -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let mut breaches = Vec::new();
    for (name, allowed) in [("webpush-core", &CORE_MAY_USE[..]), ("webpush-store", &STORE_MAY_USE)] {
        let manifest = fs::read_to_string(root.join("crates").join(name).join("Cargo.toml"))?;
        let foreign = dependencies(&manifest).into_iter().filter(|used| !allowed.contains(used));
        breaches.extend(foreign.map(|used| format!("{name} must not depend on {used} (ARCHITECTURE.md)")));
    }
    for name in ["webpush-core", "webpush-store", "webpush-server"] {
        // Not even for tests: it depends on all of them.
        if fs::read_to_string(root.join("crates").join(name).join("Cargo.toml"))?.contains(NEVER_SHIPPED) {
            breaches.push(format!("{name} must not depend on {NEVER_SHIPPED}, which is never shipped"));
        }
    }
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    for file in &files {
        let source = fs::read_to_string(file)?;
        let shown = file.strip_prefix(root).unwrap_or(file).display();
        breaches.extend(breaches_of(&source).into_iter().map(|breach| format!("{shown}: {breach}")));
    }
    breaches.extend(links::dead(root)?);
    for breach in &breaches {
        println!("BREACH {breach}");
    }
    println!("{} files looked at, {} breaches of the house rules", files.len(), breaches.len());
    Ok(breaches.is_empty())
}

/// The names in `[dependencies]` of a manifest; those for tests don't count.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let entries = section.take_while(|line| !line.starts_with('['));
    entries.filter_map(|line| line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty())).collect()
}

fn breaches_of(source: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let lines = source.lines().count();
    if lines > MOST_LINES {
        breaches.push(format!("{lines} lines, and {MOST_LINES} are the most: split it"));
    }
    for (number, line) in source.lines().enumerate() {
        let left = LEFT_BEHIND.iter().find(|word| line.contains(*word));
        breaches.extend(left.map(|word| format!("line {}: {word} was left behind", number + 1)));
    }
    breaches
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_real_dependencies_count() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nbytes.workspace = true\ntokio = \"1\"\n\n[dev-dependencies]\nproptest = \"1\"\n";
        assert_eq!(dependencies(manifest), ["bytes", "tokio"]);
    }

    #[test]
    fn long_files_and_leftovers_are_breaches() {
        assert_eq!(breaches_of("fn main() {}\n"), Vec::<String>::new());
        assert_eq!(breaches_of(&"\n".repeat(MOST_LINES + 1)).len(), 1);
        for word in LEFT_BEHIND {
            assert_eq!(breaches_of(&format!("x {word} y")).len(), 1, "{word}");
        }
    }
}
