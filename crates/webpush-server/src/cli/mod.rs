//! The command line: one file per verb. Without a verb it serves.

pub mod admin_args;
pub mod admin_client;
pub mod config;
#[cfg(test)]
mod config_tests;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod health;
pub mod keys;
pub mod limit_args;
pub mod listen;
pub mod log_args;
pub mod log_name;
pub mod matrix_args;
pub mod otlp_args;
pub mod secret_args;
pub mod send;
pub mod serve;
pub mod storage_args;
pub mod terminal;
mod values;

use crate::config::setting::without_variables;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// A Web Push service (RFC 8030): application servers POST encrypted messages, user agents receive them at once or
/// when they are back. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "webpush-server", version, args_conflicts_with_subcommands = true)]
struct Cli {
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
    Config(config::ConfigArgs),
    Health(health::HealthArgs),
    Doctor(doctor::DoctorArgs),
    LogName(log_name::LogNameArgs),
}

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let (verb, line) = parse(&std::env::args_os().collect::<Vec<_>>()).unwrap_or_else(|error| error.exit());
    match verb {
        None => serve::run(serve::layers(&line)),
        Some(Verb::Listen(args)) => listen::run(&args),
        Some(Verb::Send(args)) => send::run(&args),
        Some(Verb::Keys(args)) => keys::run(&args),
        Some(Verb::Explain(args)) => explain::run(&args),
        Some(Verb::Config(args)) => config::run(&args, &line),
        Some(Verb::Health(args)) => health::run(&args, of_verb(&line)),
        Some(Verb::Doctor(args)) => doctor::run(&args, of_verb(&line)),
        Some(Verb::LogName(args)) => log_name::run(&args),
    }
}

/// The part of the command line that belongs to the verb.
fn of_verb(line: &ArgMatches) -> &ArgMatches {
    line.subcommand().map_or(line, |(_, of_verb)| of_verb)
}

/// The command line with its flags of `serve`, which are read later: they are one source of settings among others.
fn command() -> Command {
    serve::with_flags(Cli::command()).mut_subcommand("config", config::with_flags)
}

fn parse(words: &[OsString]) -> Result<(Option<Verb>, ArgMatches), clap::Error> {
    let line = without_variables(command()).try_get_matches_from(words).map_err(|error| {
        // Only help shows variables.
        let help = matches!(error.kind(), ErrorKind::DisplayHelp);
        help.then(|| command().try_get_matches_from(words).err()).flatten().unwrap_or(error)
    })?;
    Ok((Cli::from_arg_matches(&line)?.verb, line))
}

/// Writes an error with its causes as one sentence.
fn report(error: &anyhow::Error) {
    eprintln!("webpush-server: {error:#}");
}
