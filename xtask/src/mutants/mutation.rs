//! Mutations: edits of the source that put a bug in.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use toml::{Table, Value};

use crate::shell::files_in;

/// Stands in a replacement for a condition that is true while the mutation is on.
const CONDITION: &str = "MUTATED";

/// A bug, and the edits that put it in.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) name: String,
    /// The bug, in one sentence.
    pub(super) bug: String,
    /// The file of the list that it is from, without the extension.
    pub(super) area: String,
    /// The source file, relative to the repository.
    pub(super) file: String,
    pub(super) edits: Vec<Edit>,
    /// The programs that are expected to find it, each with its test, in the order of trial.
    pub(super) expected: Vec<(String, String)>,
    /// True if it is one of those that `--quick` tries.
    pub(super) quick: bool,
    /// True if only tests that need PostgreSQL can find it.
    pub(super) needs_postgres: bool,
}

/// A text that occurs once in a file, and the text in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) find: String,
    pub(super) replace: String,
}

/// Reads all files of the list.
pub(super) fn read_all(directory: &Path) -> Result<Vec<Mutation>> {
    let mut all = Vec::new();
    for path in files_in(directory)? {
        let area = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        all.extend(parse(&text, &area).with_context(|| path.display().to_string())?);
    }
    let mut names = BTreeSet::new();
    for mutation in &all {
        ensure!(names.insert(&mutation.name), "two mutations have the name {}", mutation.name);
    }
    Ok(all)
}

fn parse(text: &str, area: &str) -> Result<Vec<Mutation>> {
    let file: Table = text.parse()?;
    let list = file.get("mutation").and_then(Value::as_array).context("it has no mutations")?;
    list.iter().map(|value| read(value, area)).collect()
}

fn read(value: &Value, area: &str) -> Result<Mutation> {
    const KEYS: [&str; 9] =
        ["name", "bug", "file", "find", "replace", "also", "expected", "quick", "needs_postgres"];
    let table = value.as_table().context("a mutation is a table")?;
    let name = text(table, "name")?;
    let read = || -> Result<Mutation> {
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            anyhow::bail!("unknown key {unknown}");
        }
        let also = table.get("also").map(|also| also.as_array().context("also: a list")).transpose()?;
        let also = also.into_iter().flatten().map(|edit| edit.as_table().context("also: a list of tables"));
        let tables = std::iter::once(Ok(table)).chain(also);
        let edits = tables.map(|table| edit(table?, &name)).collect::<Result<Vec<_>>>()?;
        let expected = table.get("expected").map(expected).transpose()?.unwrap_or_default();
        let flag = |key: &str| table.get(key).and_then(Value::as_bool).unwrap_or_default();
        let mutation = Mutation {
            name: name.clone(),
            bug: text(table, "bug")?,
            area: area.to_owned(),
            file: text(table, "file")?,
            edits,
            expected,
            quick: flag("quick"),
            needs_postgres: flag("needs_postgres"),
        };
        ensure!(!mutation.quick || !mutation.expected.is_empty(), "quick: it needs an expected test");
        Ok(mutation)
    };
    read().with_context(|| format!("mutation {name}"))
}

/// Reads a program and its test, or a list of them.
fn expected(value: &Value) -> Result<Vec<(String, String)>> {
    let all = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let pair = |value: &Value| {
        let (program, test) =
            value.as_str().and_then(|text| text.split_once(' ')).context("expected: a program and a test")?;
        Ok((program.to_owned(), test.to_owned()))
    };
    all.iter().map(pair).collect()
}

fn text(table: &Table, key: &str) -> Result<String> {
    table.get(key).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("{key}: a text"))
}

fn edit(table: &Table, name: &str) -> Result<Edit> {
    let (find, replace) = (text(table, "find")?, text(table, "replace")?);
    let file = table.get("file").and_then(Value::as_str);
    ensure!(!find.is_empty(), "find: a text that is not empty");
    let condition = format!("webpush_core::mutation::is_on({name:?})");
    let replace = replace.replace(CONDITION, &condition);
    // The first edit has the file; the others may only drop a `const` that is in the way.
    ensure!(file.is_none() || replace.contains(&condition), "replace: a text with {CONDITION}");
    Ok(Edit { find, replace })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[mutation]]
name = "a"
bug = "A bug."
file = "a.rs"
find = "x()"
replace = "if !MUTATED { x() }"
also = [{ find = "const fn", replace = "fn" }]
expected = "webpush-core tests::a b"
"#;

    #[test]
    fn a_mutation_has_its_edits() {
        let [mutation] = &parse(GOOD, "core").unwrap()[..] else { panic!("one mutation") };
        let replace = "if !webpush_core::mutation::is_on(\"a\") { x() }";
        assert_eq!(mutation.edits[0], Edit { find: "x()".to_owned(), replace: replace.to_owned() });
        assert_eq!(mutation.edits[1].replace, "fn");
        let pair = |program: &str, test: &str| (program.to_owned(), test.to_owned());
        assert_eq!(mutation.expected, [pair("webpush-core", "tests::a b")]);
        let list = GOOD.replace("\"webpush-core tests::a b\"", "[\"webpush-core a\", \"webpush-sim *\"]");
        let expected = &parse(&list, "core").unwrap()[0].expected;
        assert_eq!(*expected, [pair("webpush-core", "a"), pair("webpush-sim", "*")]);
        assert_eq!((&*mutation.area, mutation.quick), ("core", false));
    }

    #[test]
    fn mistakes_are_refused() {
        for (from, to) in [
            ("MUTATED", "true"),
            ("bug =", "bugs ="),
            ("file = \"a.rs\"", ""),
            ("find = \"x()\"", "find = \"\""),
            ("expected = \"webpush-core tests::a b\"", "expected = \"webpush-core\""),
            ("expected = \"webpush-core tests::a b\"", "quick = true"),
        ] {
            assert!(parse(&GOOD.replacen(from, to, 1), "core").is_err(), "{to}");
        }
    }
}
