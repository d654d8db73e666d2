//! The command line: one file per verb. Without a verb it serves.

pub mod acme_args;
pub mod admin_args;
pub mod admin_client;
pub mod agents;
pub mod backlog;
pub mod backup;
pub mod config;
#[cfg(test)]
mod config_tests;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod health;
pub mod import;
pub mod keys;
pub mod limit_args;
pub mod listen;
pub mod log_args;
pub mod log_name;
pub mod matrix_args;
mod named;
pub mod otlp_args;
pub mod proxy_args;
pub mod restore;
pub mod sealing_keys;
pub mod secret_args;
pub mod send;
pub mod serve;
pub mod storage_args;
pub mod subscriptions;
pub mod terminal;
pub mod trace;
pub mod trace_args;
mod values;

use admin_client::AdminClient;
use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use webpush_config::setting::without_variables;

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
    Trace(trace::TraceArgs),
    Doctor(doctor::DoctorArgs),
    LogName(log_name::LogNameArgs),
    Agents(agents::AgentsArgs),
    Subscriptions(subscriptions::SubscriptionsArgs),
    Backlog(backlog::BacklogArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Export(backup::ExportArgs),
    Import(import::ImportArgs),
    SealingKeys(sealing_keys::SealingKeysArgs),
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
        Some(Verb::Trace(args)) => trace::run(&args, of_verb(&line)),
        Some(Verb::Doctor(args)) => doctor::run(&args, of_verb(&line)),
        Some(Verb::LogName(args)) => log_name::run(&args),
        Some(Verb::Agents(args)) => agents::run(&args, of_verb(&line)),
        Some(Verb::Subscriptions(args)) => subscriptions::run(&args, of_verb(&line)),
        Some(Verb::Backlog(args)) => backlog::run(&args, of_verb(&line)),
        Some(Verb::Backup(args)) => backup::run(&args, of_verb(&line)),
        Some(Verb::Restore(args)) => restore::run(&args),
        Some(Verb::Export(args)) => backup::run_export(&args, of_verb(&line)),
        Some(Verb::Import(args)) => import::run(&args, of_verb(&line)),
        Some(Verb::SealingKeys(args)) => sealing_keys::run(&args, of_verb(&line)),
    }
}

/// The part of the command line that belongs to the verb.
fn of_verb(line: &ArgMatches) -> &ArgMatches {
    line.subcommand().map_or(line, |(_, of_verb)| of_verb)
}

/// The command line with its flags of `serve`, which are read later: they are one source of settings among others. The
/// manual and the completions are made of it (`examples/assets`).
#[must_use]
pub fn command() -> Command {
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

/// Does what a verb asks of the running service.
fn asking<F: Future<Output = anyhow::Result<()>>>(
    line: &ArgMatches,
    ask: impl FnOnce(AdminClient) -> F,
) -> ExitCode {
    exit(AdminClient::find(line).and_then(|client| to_its_end(ask(client))))
}

/// Does what waits, on this thread.
fn to_its_end<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime can't be started")?.block_on(work)
}

fn exit(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes an error with its causes as one sentence.
fn report(error: &anyhow::Error) {
    eprintln!("webpush-server: {error:#}");
}
