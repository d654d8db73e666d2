//! A copy of the repository with all mutations in it.
//!
//! Files that have not changed keep their times, so that only the rest is compiled again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::mutation::{Edit, Mutation};
use crate::shell;

/// The crate that gets the function [`SWITCH`]; all others depend on it.
const CORE: &str = "crates/webpush-core/src/";

/// The environment variable with the name of the mutation that is on.
pub(super) const VARIABLE: &str = "WEBPUSH_MUTATION";

/// The module that tells which mutation is on.
const SWITCH: &str = r#"//! Selects one of the bugs that are built in.

use std::sync::OnceLock;

/// Returns true if the mutation with this name is on.
#[must_use]
pub fn is_on(name: &str) -> bool {
    static SELECTED: OnceLock<Option<String>> = OnceLock::new();
    SELECTED.get_or_init(|| std::env::var("WEBPUSH_MUTATION").ok()).as_deref() == Some(name)
}
"#;

/// Writes the tracked files of a repository to a directory, with all mutations.
///
/// Fails if an edit does not apply exactly once, or two of them overlap.
pub(super) fn write(root: &Path, directory: &Path, mutations: &[Mutation]) -> Result<()> {
    let listed = shell::output(Command::new("git").args(["ls-files", "-z"]).current_dir(root))?;
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // A symbolic link to a directory, or a file that is deleted but still tracked, is no source.
        if path.is_file() {
            files.insert(name, fs::read(&path).with_context(|| path.display().to_string())?);
        }
    }
    for (name, text) in mutated(root, mutations)? {
        let content = files.get_mut(name).with_context(|| format!("{name} is not tracked"))?;
        *content = text.into_bytes();
    }
    let library = format!("{CORE}lib.rs");
    let content = files.get_mut(library.as_str()).with_context(|| format!("{library} is missing"))?;
    content.extend_from_slice(b"\npub mod mutation;\n");
    let switch = format!("{CORE}mutation.rs");
    files.insert(&switch, SWITCH.as_bytes().to_vec());
    let wanted: BTreeSet<PathBuf> = files.keys().map(|name| directory.join(name)).collect();
    for (name, content) in &files {
        let path = directory.join(name);
        if fs::read(&path).is_ok_and(|before| before == *content) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(&path, content).with_context(|| path.display().to_string())?;
        if let Ok(metadata) = fs::metadata(root.join(name)) {
            fs::set_permissions(&path, metadata.permissions())?;
        }
    }
    remove_others(directory, &wanted)
}

/// Removes files that are not wanted any more.
fn remove_others(directory: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for path in shell::files_in(directory)? {
        if path.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Returns the text of each file with mutations.
fn mutated<'a>(root: &Path, mutations: &'a [Mutation]) -> Result<BTreeMap<&'a str, String>> {
    let mut by_file: BTreeMap<&str, Vec<(&str, &Edit)>> = BTreeMap::new();
    for mutation in mutations {
        let edits = mutation.edits.iter().map(|edit| (mutation.name.as_str(), edit));
        by_file.entry(&mutation.file).or_default().extend(edits);
    }
    let mut texts = BTreeMap::new();
    for (file, edits) in by_file {
        let names: BTreeSet<&str> = edits.iter().map(|(name, _)| *name).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let text =
            fs::read_to_string(root.join(file)).with_context(|| format!("{names}: cannot read {file}"))?;
        let text = apply(&text, &edits).with_context(|| file.to_owned())?;
        let is_core = file.starts_with(CORE);
        texts.insert(
            file,
            if is_core { text.replace("webpush_core::mutation", "crate::mutation") } else { text },
        );
    }
    Ok(texts)
}

/// Applies edits, each with the name of its mutation, to the text of a file.
fn apply(text: &str, edits: &[(&str, &Edit)]) -> Result<String> {
    let mut places = Vec::new();
    for (name, edit) in edits {
        let found: Vec<usize> = text.match_indices(&edit.find).map(|(at, _)| at).collect();
        let [at] = found[..] else {
            anyhow::bail!("{name}: its text occurs {} times instead of once: {}", found.len(), edit.find);
        };
        places.push((at, at + edit.find.len(), *name, edit));
    }
    places.sort_unstable_by_key(|(at, ..)| *at);
    let (mut result, mut end, mut before) = (String::new(), 0, "");
    for (at, until, name, edit) in places {
        ensure!(at >= end, "{before} and {name} edit the same text");
        result.push_str(&text[end..at]);
        result.push_str(&edit.replace);
        (end, before) = (until, name);
    }
    Ok(result + &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::mutation::read_all;

    fn edit(find: &str, replace: &str) -> Edit {
        Edit { find: find.to_owned(), replace: replace.to_owned() }
    }

    #[test]
    fn each_edit_applies_exactly_once() {
        let (first, second) = (edit("b", "B"), edit("d", "D"));
        assert_eq!(apply("abcde", &[("2", &second), ("1", &first)]).unwrap(), "aBcDe");
        let error = |text: &str, edits: &[(&str, &Edit)]| apply(text, edits).unwrap_err().to_string();
        assert!(error("acde", &[("1", &first)]).starts_with("1: its text occurs 0 times"));
        assert!(error("abcb", &[("1", &first)]).starts_with("1: its text occurs 2 times"));
        let (left, right) = (edit("bc", "x"), edit("cd", "y"));
        assert_eq!(error("abcde", &[("1", &left), ("2", &right)]), "1 and 2 edit the same text");
    }

    #[test]
    fn the_list_fits_the_source() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let all = read_all(&root.join(crate::mutants::LIST)).unwrap();
        assert!(all.len() >= 60);
        let texts = mutated(root, &all).unwrap();
        for mutation in &all {
            assert!(texts[mutation.file.as_str()].contains(&format!("is_on({:?})", mutation.name)));
        }
    }
}
