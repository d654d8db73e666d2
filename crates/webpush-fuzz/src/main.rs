//! Runs fuzz targets: see `cargo xtask fuzz --help`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use webpush_fuzz::{Failure, Limit, TARGETS, Target, find, replay, run};

/// Run fuzz targets on mutations of their corpora.
#[derive(Parser)]
struct Options {
    /// Targets to run [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    target: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Executions of each target, instead of seconds
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    executions: Option<u64>,
    /// Seed of the mutations
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Run one file on each target, and nothing else
    #[arg(long, value_name = "FILE")]
    input: Option<std::path::PathBuf>,
    /// Print the names of all targets
    #[arg(long)]
    list: bool,
    /// Print the files of the targets, below `crates/`
    #[arg(long)]
    files: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        return Ok(ExitCode::SUCCESS);
    }
    let targets = chosen(&options.target)?;
    if options.files {
        targets.iter().flat_map(|target| target.files).for_each(|file| println!("{file}"));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &options.input {
        let input = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        targets.iter().for_each(|target| (target.run)(&input));
        return Ok(ExitCode::SUCCESS);
    }
    let limit = match options.executions {
        Some(executions) => Limit::Executions(executions),
        None => Limit::Time(Duration::from_secs(options.seconds)),
    };
    let mut is_good = true;
    println!("{:<20} {:>12} {:>12} {:>8}", "target", "executions", "per second", "corpus");
    for target in targets {
        match replay(target).and_then(|()| run(target, options.seed, limit)) {
            Ok(summary) => println!(
                "{:<20} {:>12} {:>12.0} {:>8}",
                target.name,
                summary.executions,
                summary.executions as f64 / summary.elapsed.as_secs_f64(),
                summary.corpus
            ),
            Err(failure) => {
                is_good = false;
                keep(&failure)?;
            }
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let mut targets = Vec::new();
    for name in names {
        match find(name) {
            Some(target) => targets.push(target),
            None => bail!("there is no target {name}; --list prints all names"),
        }
    }
    Ok(targets)
}

/// Writes the input of a failure to a file, and prints how to repeat it.
fn keep(failure: &Failure) -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/artifacts").join(failure.target);
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("failure");
    std::fs::write(&path, &failure.input)?;
    eprintln!(
        "{failure}\nrepeat it with: cargo xtask fuzz --target {} --input {}",
        failure.target,
        path.display()
    );
    Ok(())
}
