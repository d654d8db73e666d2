//! `cargo xtask scaling`: the machines that a service of a given size takes.
//!
//! They are computed from the measured costs of one agent and one message.
//!
//! The inputs are in `docs/scaling.toml`, each with its source. `docs/scaling.md` shows the output, and a test compares
//! them.

mod inputs;
mod plan;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use inputs::Inputs;
use plan::{Demand, Plan};

const INPUTS: &str = "docs/scaling.toml";
const PAGE: &str = "docs/scaling.md";
const BEGIN: &str = "<!-- printed by cargo xtask scaling: begin -->";
const END: &str = "<!-- printed by cargo xtask scaling: end -->";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// User agents that are connected
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    agents: u64,
    /// Messages per second
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    messages: u64,
    /// Costs and assumptions
    #[arg(long, value_name = "FILE", default_value = INPUTS)]
    inputs: PathBuf,
    /// Write the result to docs/scaling.md as well
    #[arg(long)]
    write: bool,
}

/// Prints what such a service takes.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let path = if options.inputs == Path::new(INPUTS) { &root.join(INPUTS) } else { &options.inputs };
    let demand = Demand { agents: options.agents as f64, messages: options.messages as f64 };
    let text = computed(path, demand)?;
    print!("{text}");
    if options.write {
        let path = root.join(PAGE);
        let page = fs::read_to_string(&path)?;
        fs::write(&path, replaced(&page, &text).with_context(|| format!("{PAGE} has not both marks"))?)?;
    }
    Ok(true)
}

fn computed(path: &Path, demand: Demand) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let inputs = Inputs::parse(&text).with_context(|| format!("{} is wrong", path.display()))?;
    Ok(report::text(&Plan::make(demand, &inputs)?, demand, &inputs))
}

/// Returns the page with the output replaced, as an indented block.
fn replaced(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let indented: String = text
        .lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") })
        .collect();
    Some(format!("{before}{BEGIN}\n\n{indented}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_the_program_prints() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let demand = Demand { agents: 10_000_000.0, messages: 100_000.0 };
        let text = computed(&root.join(INPUTS), demand).unwrap();
        let page = fs::read_to_string(root.join(PAGE)).unwrap();
        let expected = replaced(&page, &text).unwrap();
        assert!(page == expected, "run `cargo xtask scaling --write`");
    }
}
