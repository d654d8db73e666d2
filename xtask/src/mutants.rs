//! `cargo xtask mutants`: bugs put in on purpose, and the test that finds each.
//!
//! The bugs are edits of the source in `mutations/*.toml`. All of them are applied to a copy of the repository, which is
//! built once: an environment variable selects the bug of a run. So a bug costs only the tests that it takes to find it.
//!
//! | to find | look in |
//! |---|---|
//! | the form of a mutation | [`mutation`] |
//! | the copy, and how edits are applied | [`tree`] |
//! | the test programs | [`build`] |
//! | how a program is run, and when it has found a bug | [`detector`] |
//! | which programs are tried, in which order | [`search`] |
//! | the page | [`page`] |

mod build;
mod detector;
mod mutation;
mod page;
mod search;
mod tree;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use build::Programs;
use mutation::Mutation;
use search::Search;

/// The list of mutations, one file for each area.
const LIST: &str = "mutations";
/// The page that is written.
const PAGE: &str = "docs/internals/mutations.md";
/// The directory of the copy and of its build.
const SCRATCH: &str = "target/mutants";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Try only the mutations with these names.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Try only the mutations of this file of the list, without its extension.
    #[arg(long, value_name = "AREA")]
    area: Option<String>,
    /// Check that every edit applies and that the tree compiles, and stop.
    #[arg(long, conflicts_with_all = ["quick", "write"])]
    check: bool,
    /// Try the mutations marked `quick`, each only with the test that is expected to find it.
    #[arg(long, conflicts_with = "write")]
    quick: bool,
    /// Write the results into docs/internals/mutations.md; the rows of other mutations stay.
    #[arg(long)]
    write: bool,
    /// Try everything, although the list says which test is expected to find a mutation.
    #[arg(long)]
    ignore_expected: bool,
    /// Try only these programs: crates with their unit tests, CRATE/TEST, and webpush-sim.
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',', conflicts_with_all = ["quick", "own_crate"])]
    program: Vec<String>,
    /// Try only the tests of the crate with the bug.
    #[arg(long)]
    own_crate: bool,
    /// Skip the run without a mutation: it has passed before.
    #[arg(long)]
    no_baseline: bool,
    /// Do not run tests whose name contains TEXT.
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    skip: Vec<String>,
    /// Seeds of the simulation for each mutation.
    #[arg(long, value_name = "N", default_value_t = 200)]
    seeds: u64,
    /// Print the list and stop.
    #[arg(long)]
    list: bool,
}

/// Tries the chosen mutations; returns false if one is not found.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let all = mutation::read_all(&root.join(LIST))?;
    let chosen = choose(&all, options)?;
    if options.list {
        chosen.iter().for_each(|mutation| println!("{:<44} {}", mutation.name, mutation.bug));
        return Ok(true);
    }
    let scratch = root.join(SCRATCH);
    tree::write(root, &scratch.join("tree"), &all)?;
    if options.check {
        build::check(&scratch)?;
        println!("{} mutations apply, and the tree compiles", all.len());
        return Ok(true);
    }
    let programs = Programs::build(&scratch, &options.program)?;
    for label in &options.program {
        ensure!(programs.has(label), "there is no program {label}");
    }
    let mut search = Search::new(&programs, options);
    if !options.quick && !options.no_baseline {
        let is_wanted = chosen.iter().any(|mutation| mutation.needs_postgres);
        search.run_baseline(is_wanted)?;
    }
    let mut results = Vec::new();
    for mutation in chosen {
        let result = search.find(mutation)?;
        println!("{:<44} {}", mutation.name, result.line());
        results.push((mutation, result));
    }
    if options.write {
        page::write(&root.join(PAGE), &all, &results)?;
        println!("written to {PAGE}");
    }
    let missed = results.iter().filter(|(_, result)| !result.is_found()).count();
    println!("{} of {} mutations were found", results.len() - missed, results.len());
    Ok(missed == 0)
}

fn choose<'a>(all: &'a [Mutation], options: &Options) -> Result<Vec<&'a Mutation>> {
    for name in &options.only {
        ensure!(all.iter().any(|mutation| mutation.name == *name), "no mutation has the name {name:?}");
    }
    let is_chosen = |mutation: &&Mutation| {
        (options.only.is_empty() || options.only.contains(&mutation.name))
            && options.area.as_ref().is_none_or(|area| *area == mutation.area)
            && (!options.quick || mutation.quick)
    };
    let chosen: Vec<_> = all.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        bail!("no mutation is chosen; `cargo xtask mutants --list` prints them");
    }
    Ok(chosen)
}
