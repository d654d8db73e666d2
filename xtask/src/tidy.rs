//! `cargo xtask tidy`: house rules that no lint checks. CONTRIBUTING.md describes them.
//!
//! Existing breaches are counted per file in a ratchet, which only goes down.

mod breach;
mod circles;
mod layout;
mod lexer;
mod links;
mod manifests;
mod modules;
mod names;
mod prose;
mod ratchet;
mod seams;
mod source;
mod words;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use breach::{Breach, Rule};
use ratchet::Ratchet;

/// The ratchet's file.
const RATCHET: &str = "xtask/src/tidy/ratchet.txt";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Lower the ratchet to the breaches that are left
    #[arg(long)]
    update: bool,
    /// Show every breach, including those that the ratchet allows, in files whose path begins with PREFIX
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, default_missing_value = "", conflicts_with = "update")]
    all: Option<String>,
}

/// Prints the breaches that are not allowed; returns true if there are none.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has no root")?;
    let breaches = check(root)?;
    if let Some(prefix) = &options.all {
        let shown = breaches.iter().filter(|breach| breach.path.starts_with(prefix.as_str()));
        shown.for_each(|breach| println!("{breach}"));
    }
    let found = Ratchet::count(&breaches);
    let file = root.join(RATCHET);
    if options.update && !file.exists() {
        // For a new or stricter rule, remove the file: the diff then shows the new counts.
        fs::write(&file, found.to_text())?;
        return Ok(true);
    }
    let allowed = fs::read_to_string(&file).with_context(|| format!("cannot read {RATCHET}"))?;
    let allowed = Ratchet::parse(&allowed).with_context(|| format!("cannot read {RATCHET}"))?;
    for rule in Rule::ALL {
        println!("{rule:<12} {:>5} breaches, {:>5} allowed", found.total(rule), allowed.total(rule));
    }
    if options.update {
        fs::write(&file, allowed.lowered(found)?.to_text())?;
        return Ok(true);
    }
    let mut is_tidy = true;
    for ((rule, path), count, most) in allowed.exceeded(&found) {
        is_tidy = false;
        println!("\n{path} has {count} breaches of the rule \"{rule}\", and {most} are allowed:");
        breaches
            .iter()
            .filter(|breach| breach.rule == *rule && breach.path == *path)
            .for_each(|breach| println!("  {breach}"));
    }
    if !is_tidy {
        println!(
            "\nFix them. If a file was moved or split: `cargo xtask tidy --update`, which keeps the sums."
        );
    }
    Ok(is_tidy)
}

fn check(root: &Path) -> Result<Vec<Breach>> {
    let sources = source::read_all(root)?;
    let mut breaches = Vec::new();
    for source in &sources {
        prose::check(source, &mut breaches);
        layout::check(source, &mut breaches);
        seams::check(source, &mut breaches);
        manifests::check(source, &mut breaches);
        links::check(root, source, &mut breaches);
    }
    circles::check(&sources, &mut breaches);
    names::check(&sources, &mut breaches);
    Ok(breaches)
}
