//! The command line: one file per verb. Without a verb it serves.

pub mod serve;

use clap::Parser;
use std::process::ExitCode;

/// A Web Push service (RFC 8030): application servers POST encrypted messages, user agents receive them at once or
/// when they are back.
#[derive(Debug, Parser)]
#[command(name = "webpush-server", version, about, long_about = None, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(flatten)]
    serve: serve::Args,
}

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    serve::run(cli.serve)
}

/// Writes an error with its causes as one sentence.
pub fn report(error: &anyhow::Error) {
    eprintln!("webpush-server: {error:#}");
}
