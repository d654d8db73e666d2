//! `cargo xtask bench`: measures each goal next to the limit of the machine in the same run.
//!
//! The results are written to `docs/internals/benchmarks.md`. Programs are built with the profile `dist`, which ships.
//!
//! | to find | look in |
//! |---|---|
//! | what a row is, and when its goal is met | [`row`] |
//! | the rows, as data: one file for each family | [`rows`] |
//! | running the commands they name | [`measure`] |
//! | what machine this is | [`machine`] |
//! | the page | [`page`] |

mod machine;
mod measure;
mod page;
mod row;
mod rows;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::postgres;
use machine::Machine;
use measure::Runs;
use row::{Row, RowResult};

/// The page that is written, with a history below that is kept.
const PAGE: &str = "docs/internals/benchmarks.md";
/// Where servers keep their data while they are measured: its disk is the one that is measured.
const SCRATCH: &str = "target/bench";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure only the rows whose name contains one of these texts, and write no page.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// Short runs with smaller numbers: to see that everything works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Repeat what can be repeated, and take the median [default: 3, with --quick 1].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Measure autopush-rs in the same run, from the directory of its programs.
    ///
    /// These are release builds of autoconnect and autoendpoint with the feature `redis`. Needs redis-server on the PATH.
    #[arg(long, value_name = "DIRECTORY")]
    peer: Option<PathBuf>,
    /// Print the names of the rows and stop.
    #[arg(long)]
    list: bool,
    /// Measure what is built already.
    #[arg(long)]
    no_build: bool,
}

/// Measures the chosen rows; returns false if one could not be measured.
///
/// A missed goal is a result, not a failure.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let rows = chosen(&options.only)?;
    if options.list {
        let runs = Runs::new(Path::new("."), options.quick, 1, None);
        rows.iter().for_each(|row| println!("{:<26} {}", row.name, runs.said(row.what)));
        return Ok(true);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    if !options.no_build {
        build(root)?;
    }
    std::fs::create_dir_all(root.join(SCRATCH))?;
    let peer =
        options.peer.as_deref().map(Path::canonicalize).transpose().context("there is no such --peer")?;
    let machine = Machine::look(root, options.quick)?;
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });
    let (rows, left_out) = without_postgres(rows, options.only.is_empty(), postgres::is_installed())?;
    left_out.iter().for_each(|line| println!("{line}"));
    let mut runs = Runs::new(root, options.quick, rounds.max(1), peer);
    let mut measured = Vec::new();
    for row in rows {
        let result = row.measure(&mut runs);
        println!("{}", result.line());
        if !options.only.is_empty() {
            result.beside().for_each(|line| println!("    {line}"));
        }
        measured.push(result);
    }
    if options.only.is_empty() {
        page::write(&root.join(PAGE), &machine, &measured, &runs, left_out.as_deref())?;
        println!("written to {PAGE}");
    }
    Ok(measured.iter().all(RowResult::is_there))
}

/// Returns the rows whose name contains one of `texts`, or all if there are none.
fn chosen(texts: &[String]) -> Result<Vec<&'static Row>> {
    let contains = |text: &String| rows::all().any(|row| row.name.contains(text.as_str()));
    if let Some(unknown) = texts.iter().find(|text| !contains(text)) {
        bail!("no row has a name with {unknown:?}; `cargo xtask bench --list` prints the names");
    }
    let is_chosen =
        |row: &&Row| texts.is_empty() || texts.iter().any(|text| row.name.contains(text.as_str()));
    Ok(rows::all().filter(is_chosen).collect())
}

/// Leaves out the rows that need PostgreSQL if it is not installed, and says so.
///
/// Fails if they were asked for.
fn without_postgres(
    rows: Vec<&'static Row>,
    is_all: bool,
    installed: Result<()>,
) -> Result<(Vec<&'static Row>, Option<String>)> {
    let Err(reason) = installed else { return Ok((rows, None)) };
    let (left_out, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.needs_postgres());
    if left_out.is_empty() {
        return Ok((rows, None));
    }
    let names = left_out.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    ensure!(is_all, "{names} cannot be measured: {reason:#}");
    Ok((rows, Some(format!("Left out: {names}, because {reason:#}."))))
}

/// Builds the server and the load separately.
///
/// In one build the load would enable features of dependencies that the shipped server does not have.
fn build(root: &Path) -> Result<()> {
    for package in ["webpush-server", "webpush-load"] {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = Command::new(cargo);
        let status = command
            .args(["build", "--quiet", "--profile", "dist", "--package", package])
            .current_dir(root)
            .status();
        ensure!(status.context("cannot run cargo")?.success(), "{package} could not be built");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_their_database_are_named_and_fail_if_they_were_asked_for() {
        let missing = || Err(anyhow::anyhow!("PostgreSQL is missing"));
        let all = || chosen(&[]).unwrap();
        let (rows, left_out) = without_postgres(all(), true, missing()).unwrap();
        let left_out = left_out.unwrap();
        assert!(rows.len() < all().len() && !rows.iter().any(|row| row.needs_postgres()));
        assert!(
            left_out.contains("cluster-absent-64, ") && left_out.ends_with("because PostgreSQL is missing.")
        );
        assert!(without_postgres(all(), false, missing()).is_err());
        let others = chosen(&["online-http1".to_owned()]).unwrap();
        assert_eq!(without_postgres(others, false, missing()).unwrap().1, None);
        assert_eq!(without_postgres(all(), true, Ok(())).unwrap().0.len(), all().len());
    }
}
