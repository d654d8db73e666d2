//! `cargo xtask fuzz`: runs the fuzz targets on mutations of their corpora.
//!
//! A seed determines them. Needs nothing but the compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Targets to run [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    target: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Seed of the mutations
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Run one file on the targets, and nothing else
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// Runs the targets; returns false if one fails.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--package", "webpush-fuzz", "--"]).current_dir(root);
    if !options.target.is_empty() {
        command.args(["--target", &options.target.join(",")]);
    }
    match &options.input {
        Some(input) => command.arg("--input").arg(std::path::absolute(input)?),
        None => {
            command.args(["--seconds", &options.seconds.to_string(), "--seed", &options.seed.to_string()])
        }
    };
    Ok(command.status().context("cannot run webpush-fuzz")?.success())
}
