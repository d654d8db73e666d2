//! `cargo xtask conformance`: `docs/internals/conformance.md` has a check, test or reason for each ID.

use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every requirement, so that none can disappear from the table unnoticed.
const IDS: &str = include_str!("conformance/ids.txt");
/// Prefixes of IDs: RFCs, HTTP/2's rules for push, and draft-thomson.
const FAMILIES: [&str; 3] = ["R", "H2-", "D1-"];
const TABLE: &str = "docs/internals/conformance.md";
/// Beginnings of cells that give a reason instead of a test.
const REASONS: [&str; 2] = ["Deviation: ", "Not offered: "];
/// Beginning of the name of a check of the conformance suite.
const CHECK: &str = "conform: ";
/// The tables of checks.
const CHECKS: &str = "crates/webpush-conformance/src/service";

/// The tests and checks that rows may name.
struct Defenses {
    tests: BTreeSet<String>,
    /// Names of the checks, with the IDs that they cover.
    checks: BTreeMap<String, BTreeSet<String>>,
}

/// Prints every ID with its checks, its tests or its reason; returns true if none is missing.
pub(crate) fn run() -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let table = fs::read_to_string(root.join(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    let rows = rows(&table);
    let defenses = Defenses { tests: tests(root)?, checks: checks(&root.join(CHECKS))? };
    let holes = holes(&rows, &defenses, |path| root.join(path).is_file());
    for id in IDS.lines() {
        println!("{id:<16} {}", rows.get(id).copied().unwrap_or("-"));
    }
    for hole in &holes {
        println!("HOLE {hole}");
    }
    let ids = IDS.lines().count();
    println!("{} of {ids} requirements are defended or explained", ids.saturating_sub(holes.len()));
    Ok(holes.is_empty())
}

/// `| id | requirement | defended by |`
fn rows(table: &str) -> BTreeMap<&str, &str> {
    table
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
            let (id, _, defense) = (cells.next()?, cells.next()?, cells.next()?);
            FAMILIES.iter().any(|family| id.starts_with(family)).then_some((id, defense))
        })
        .collect()
}

fn holes(rows: &BTreeMap<&str, &str>, defenses: &Defenses, is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let mut holes = Vec::new();
    for id in IDS.lines() {
        let Some(defense) = rows.get(id) else {
            holes.push(format!("{id} is not in {TABLE}"));
            continue;
        };
        if let Some(reason) = REASONS.iter().find_map(|word| defense.strip_prefix(word)) {
            if reason.is_empty() {
                holes.push(format!("{id} has no reason"));
            }
            continue;
        }
        let named: Vec<_> = defense.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            holes.push(format!("{id} names neither a test nor a reason"));
        }
        for name in named {
            match name.strip_prefix(CHECK).map(|check| defenses.checks.get(check)) {
                Some(Some(ids)) if ids.contains(id) => {}
                Some(Some(_)) => holes.push(format!("{id} names \"{name}\", which does not cover it")),
                None if defenses.tests.contains(name) || is_file(name) => {}
                None | Some(None) => holes.push(format!("{id} names \"{name}\", which is not there")),
            }
        }
    }
    let known: BTreeSet<_> = IDS.lines().collect();
    holes.extend(rows.keys().filter(|id| !known.contains(*id)).map(|id| format!("{id} is not a known id")));
    holes
}

/// The names of all test functions.
fn tests(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut directories = vec![root.join("crates")];
    while let Some(directory) = directories.pop() {
        for entry in
            fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(test_names(&fs::read_to_string(&path)?));
            }
        }
    }
    Ok(names)
}

/// Returns the checks of the conformance suite, with the IDs that they cover.
fn checks(directory: &Path) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut checks = BTreeMap::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        checks.extend(check_names(&fs::read_to_string(entry?.path())?));
    }
    Ok(checks)
}

/// Rows of the macro `checks!`: `"name" Part ["ID" …] [Feature …] function;`
fn check_names(source: &str) -> Vec<(String, BTreeSet<String>)> {
    let table = source.split_once("checks! {").and_then(|(_, rest)| rest.split_once("\n}"));
    let rows = table.map_or("", |(table, _)| table).split(';');
    rows.filter_map(|row| {
        let (name, rest) = row.split_once('"')?.1.split_once('"')?;
        let ids = rest.split_once('[')?.1.split_once(']')?.0;
        let ids = ids.split('"').skip(1).step_by(2).map(str::to_owned);
        Some((name.to_owned(), ids.collect()))
    })
    .collect()
}

/// Functions that follow a test attribute, and properties within `proptest!`, which look the same.
fn test_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some((_, rest)) = line.split_once("fn ") {
            names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            is_test = false;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_row_test_or_reason_is_a_hole() {
        let all: String = IDS.lines().map(|id| format!("| {id} | x | `there` |\n")).collect();
        let first = IDS.lines().next().unwrap();
        let ids = |id: &str| BTreeSet::from([id.to_owned()]);
        let defenses = Defenses {
            tests: BTreeSet::from(["there".to_owned()]),
            checks: BTreeMap::from([
                ("sends, and receives".to_owned(), ids(first)),
                ("another".to_owned(), ids("R1-x")),
            ]),
        };
        let check = |table: &str| holes(&rows(table), &defenses, |path| path == "interop/x.py");
        assert_eq!(check(&all), Vec::<String>::new());
        for (cell, hole) in [
            ("`gone`", "names \"gone\", which is not there"),
            ("`conform: gone`", "names \"conform: gone\", which is not there"),
            ("`conform: there`", "names \"conform: there\", which is not there"),
            ("`there`, `conform: another`", "names \"conform: another\", which does not cover it"),
            ("`sends, and receives`", "which is not there"),
            ("", "names neither"),
            ("Deviation: ", "names neither"),
            ("some words", "names neither"),
        ] {
            let table =
                all.replacen(&format!("| {first} | x | `there` |"), &format!("| {first} | x | {cell} |"), 1);
            let found = check(&table);
            assert!(found.len() == 1 && found[0].contains(hole), "{found:?}");
        }
        for fine in [
            "`interop/x.py`",
            "`conform: sends, and receives`",
            "`conform: sends, and receives`, `there`",
            "Deviation: because",
            "Not offered: it is optional",
        ] {
            let table =
                all.replacen(&format!("| {first} | x | `there` |"), &format!("| {first} | x | {fine} |"), 1);
            assert_eq!(check(&table), Vec::<String>::new(), "{fine}");
        }
        assert_eq!(check(&all.replacen(first, "R1-x", 1)).len(), 2, "a missing and an unknown id");
    }

    #[test]
    fn tests_are_found_by_their_attribute() {
        let source =
            "#[test]\nfn a() {}\nfn not_a_test() {}\n#[tokio::test(flavor = \"x\")]\nasync fn b() {}\n";
        assert_eq!(test_names(source), ["a", "b"]);
    }

    #[test]
    fn checks_are_found_with_their_ids() {
        let source = "checks! {\n    \"one, and more\" Sender [\"R1-a\" \"R1-b\"] [Tls] one;\n    \
            \"two\" UserAgent\n        [\"R1-b\"] [] two;\n}\n\nconst X: [&str; 1] = [\"R1-c\"];\n";
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let expected =
            [("one, and more".to_owned(), ids(&["R1-a", "R1-b"])), ("two".to_owned(), ids(&["R1-b"]))];
        assert_eq!(check_names(source), expected);
        assert!(check_names("mod send;\n").is_empty());
    }
}
