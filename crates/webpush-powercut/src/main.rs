//! `webpush-powercut`: cuts the power of a server at random moments, and checks what its clients saw.

use clap::{Parser, Subcommand};
use std::io::{stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_powercut::control::{self, MountOptions};
use webpush_powercut::mount::Owner;
use webpush_powercut::runner::{Phase, RunOptions, run};

/// Cuts the power of a server at random moments, and checks what its clients saw. Needs root and FUSE.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run worlds until there were enough cuts; exits with 1 if a promise was broken
    Run(RunArgs),
    /// Mount a disk for other programs, and cut its power for each line "cut" of standard input
    Mount(MountArgs),
}

#[derive(Debug, clap::Args)]
struct MountArgs {
    /// An empty directory
    #[arg(value_name = "DIR")]
    at: PathBuf,

    /// User and group that own all files, by number
    #[arg(long, value_name = "UID:GID", default_value = "0:0", value_parser = parse_owner)]
    owner: Owner,

    /// Size of the disk, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    capacity: u64,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn parse_owner(text: &str) -> Result<Owner, String> {
    let parse = |number: &str| number.parse().ok();
    text.split_once(':')
        .and_then(|(user, group)| Some(Owner { user: parse(user)?, group: parse(group)? }))
        .ok_or_else(|| "expected two numbers, such as 101:104".to_owned())
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The program to test, webpush-server
    #[arg(long, value_name = "FILE")]
    server: PathBuf,

    /// Number of power cuts, at least
    #[arg(long, value_name = "N", default_value_t = 20)]
    cuts: u64,

    /// Seed of the first world; the following ones have the next numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Cut in this phase only
    #[arg(long, value_name = "PHASE", value_enum)]
    phase: Option<Phase>,

    /// Number of worlds at the same time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,

    /// Directory to copy the files of a world to in which a promise was broken
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Print each cut
    #[arg(long)]
    verbose: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = match Cli::parse().command {
        Command::Run(args) => args,
        Command::Mount(MountArgs { at, owner, capacity, seed }) => {
            control::run(&MountOptions { at, owner, capacity, seed }, stdin().lock(), stdout().lock())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let RunArgs { server, cuts, seed, phase, jobs, keep, verbose } = args;
    let figures = run(&RunOptions { server, cuts, seed, phase, jobs, keep, verbose })?;
    println!("{figures}");
    Ok(if figures.has_violations() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_two_numbers() {
        assert_eq!(parse_owner("101:104"), Ok(Owner { user: 101, group: 104 }));
        for text in ["", "101", "postgres:104", "101:", "101:104:1", "-1:0"] {
            assert!(parse_owner(text).is_err(), "{text}");
        }
    }
}
