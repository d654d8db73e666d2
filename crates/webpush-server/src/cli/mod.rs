//! The command line: one file per verb. Without a verb it serves.

pub mod admin_args;
pub mod exit;
pub mod explain;
pub mod health;
pub mod keys;
pub mod limit_args;
pub mod listen;
pub mod matrix_args;
pub mod send;
pub mod serve;
pub mod storage_args;
pub mod terminal;
mod values;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A Web Push service (RFC 8030): application servers POST encrypted messages, user agents receive them at once or
/// when they are back. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "webpush-server", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(flatten)]
    serve: serve::Args,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
enum Verb {
    Listen(listen::ListenArgs),
    Send(send::SendArgs),
    Keys(keys::KeysArgs),
    Explain(explain::ExplainArgs),
    Health(health::HealthArgs),
}

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match cli.verb {
        None => serve::run(cli.serve),
        Some(Verb::Listen(args)) => listen::run(&args),
        Some(Verb::Send(args)) => send::run(&args),
        Some(Verb::Keys(args)) => keys::run(&args),
        Some(Verb::Explain(args)) => explain::run(&args),
        Some(Verb::Health(args)) => health::run(&args),
    }
}

/// Writes an error with its causes as one sentence.
fn report(error: &anyhow::Error) {
    eprintln!("webpush-server: {error:#}");
}
