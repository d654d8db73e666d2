//! Rewrites the table of `docs/internals/mutations.md`, between two marks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::mutation::Mutation;
use super::search::{Detection, SearchResult};

const BEGIN: &str = "<!-- written by cargo xtask mutants --write: begin -->";
const END: &str = "<!-- written by cargo xtask mutants --write: end -->";

/// The last two cells of a row, without results of a run.
const NO_RESULT: &str = "not run | |";

/// Writes the results. Rows of mutations that were not tried stay as they are.
pub(super) fn write(path: &Path, all: &[Mutation], results: &[(&Mutation, SearchResult)]) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let page = replaced(&page, |old| table(all, &old_results(old), results))
        .with_context(|| format!("{} has not both marks", path.display()))?;
    Ok(fs::write(path, page)?)
}

fn replaced(page: &str, table: impl FnOnce(&str) -> String) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (old, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", table(old)))
}

/// Returns the last two cells of each row, by the name of the mutation.
fn old_results(table: &str) -> BTreeMap<&str, &str> {
    let row = |line: &'_ str| -> Option<(usize, usize)> {
        let name = line.strip_prefix("| `")?.find('`')?;
        let cells: Vec<usize> = line.match_indices(" | ").map(|(at, _)| at).collect();
        Some((name, *cells.get(1)? + " | ".len()))
    };
    table
        .lines()
        .filter_map(|line| row(line).map(|(name, cells)| (&line["| `".len()..][..name], &line[cells..])))
        .collect()
}

fn table(all: &[Mutation], old: &BTreeMap<&str, &str>, results: &[(&Mutation, SearchResult)]) -> String {
    let new: BTreeMap<&str, String> =
        results.iter().map(|(mutation, result)| (mutation.name.as_str(), cells(result))).collect();
    let mut text = String::new();
    let mut area = "";
    for mutation in all {
        if mutation.area != area {
            area = &mutation.area;
            let head = "| mutation | bug | found by | seconds |\n|---|---|---|---|";
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n## {area}\n\n{head}");
        }
        let name = mutation.name.as_str();
        let result = new.get(name).map(String::as_str).or_else(|| old.get(name).copied());
        let _ = writeln!(text, "| `{name}` | {} | {}", mutation.bug, result.unwrap_or(NO_RESULT));
    }
    text
}

fn cells(result: &SearchResult) -> String {
    let Some(Detection { program, test, hangs }) = &result.detection else {
        return "**not found** | |".to_owned();
    };
    let test = test.as_deref().map(|test| format!(": `{test}`")).unwrap_or_default();
    let hangs = if *hangs { ", which hangs" } else { "" };
    format!("{program}{test}{hangs} | {:.1} |", result.time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn mutation(name: &str, area: &str) -> Mutation {
        Mutation {
            name: name.to_owned(),
            bug: format!("The bug {name}."),
            area: area.to_owned(),
            file: String::new(),
            edits: Vec::new(),
            expected: Vec::new(),
            quick: false,
            needs_postgres: false,
        }
    }

    #[test]
    fn rows_of_other_mutations_stay() {
        let all = [mutation("a", "core"), mutation("b", "core"), mutation("c", "store")];
        let detection = |program: &str, test: Option<&str>, hangs| {
            let detection = Detection { program: program.to_owned(), test: test.map(str::to_owned), hangs };
            SearchResult { detection: Some(detection), time: Duration::from_millis(1250) }
        };
        let page = format!("before\n{BEGIN}\n{END}\nafter\n");
        let write = |page: &str, results: &[(&Mutation, SearchResult)]| {
            replaced(page, |old| table(&all, &old_results(old), results)).unwrap()
        };
        let page = write(&page, &[(&all[0], detection("x", Some("t::u"), false))]);
        assert!(page.starts_with("before\n") && page.ends_with("\nafter\n"));
        assert!(page.contains("\n| `a` | The bug a. | x: `t::u` | 1.2 |\n"), "{page}");
        assert!(page.contains("\n| `b` | The bug b. | not run | |\n"));
        let missed = SearchResult { detection: None, time: Duration::ZERO };
        let page = write(&page, &[(&all[1], missed), (&all[2], detection("y", None, true))]);
        assert!(
            page.contains(
                "\n| `a` | The bug a. | x: `t::u` | 1.2 |\n| `b` | The bug b. | **not found** | |\n"
            )
        );
        assert!(page.contains("\n## store\n\n| mutation | bug |"));
        assert!(page.contains("\n| `c` | The bug c. | y, which hangs | 1.2 |\n"));
        assert_eq!(write(&page, &[]), page);
    }

    #[test]
    fn the_page_has_its_marks() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate::mutants::PAGE);
        assert!(replaced(&fs::read_to_string(page).unwrap(), str::to_owned).is_some());
    }
}
