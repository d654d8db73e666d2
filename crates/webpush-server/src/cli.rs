//! The command line. Without a command, the program serves.
//!
//! | to find | look in |
//! |---|---|
//! | the commands, one file each | `cli/commands` |
//! | the flags of `serve`, by topic | `cli/args` |
//! | output on the terminal | `cli/render` |
//! | requests to the admin listener of a running server | `cli/admin_client.rs` |
//! | exit statuses | `cli/exit.rs` |

mod admin_client;
mod args;
mod child;
mod commands;
mod exit;
mod render;
mod runtime;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use commands::{
    agents, backlog, backup, cells, config, conform, dev, doctor, explain, health, import, keys, listen,
    log_id, migrate, repair, restore, sealing_keys, send, serve, subscriptions, trace,
};
use render::terminal;
use std::ffi::OsString;
use std::process::ExitCode;
use webpush_config::setting::without_variables;

/// A Web Push service (RFC 8030). Starts the server when no command is given
#[derive(Debug, Parser)]
#[command(name = "webpush-server", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Action>,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Action {
    /// Run the server (the default)
    #[command(after_help = serve::HELP, aliases = ["start", "run"])]
    Serve,
    /// Print the version
    #[command(hide = true)]
    Version,
    Config(config::ConfigArgs),
    #[command(alias = "status")]
    Health(health::HealthArgs),
    Doctor(doctor::DoctorArgs),
    Dev(dev::DevArgs),
    Conform(conform::ConformArgs),
    Agents(agents::AgentsArgs),
    Subscriptions(subscriptions::SubscriptionsArgs),
    Backlog(backlog::BacklogArgs),
    Trace(trace::TraceCommandArgs),
    LogId(log_id::LogIdArgs),
    SealingKeys(sealing_keys::SealingKeysArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Repair(repair::RepairArgs),
    Export(backup::ExportArgs),
    Import(import::ImportArgs),
    Migrate(migrate::MigrateArgs),
    Cells(cells::CellsArgs),
    Listen(listen::ListenArgs),
    Send(send::SendArgs),
    Keys(keys::KeysArgs),
    Explain(explain::ExplainArgs),
}

/// Runs the command of this process's command line.
#[must_use]
pub fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let (action, line) = parse(&words).unwrap_or_else(|error| error.exit());
    // The flags after the command.
    let flags = line.subcommand().map_or(&line, |(_, flags)| flags);
    match action {
        None | Some(Action::Serve) => serve::run(serve::layers(flags), serve::recovery(flags)),
        Some(Action::Version) => match terminal::line(command().render_version().trim_end()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Some(Action::Config(args)) => config::run(&args, flags),
        Some(Action::Health(args)) => health::run(&args, flags),
        Some(Action::Dev(args)) => dev::run(args),
        Some(Action::Conform(args)) => conform::run(&args),
        Some(Action::Doctor(args)) => doctor::run(&args, flags),
        Some(Action::Agents(args)) => agents::run(&args, flags),
        Some(Action::Subscriptions(args)) => subscriptions::run(&args, flags),
        Some(Action::Backlog(args)) => backlog::run(&args, flags),
        Some(Action::Trace(args)) => trace::run(&args, flags),
        Some(Action::LogId(args)) => log_id::run(&args),
        Some(Action::SealingKeys(args)) => sealing_keys::run(&args, flags),
        Some(Action::Backup(args)) => backup::run(&args, flags),
        Some(Action::Restore(args)) => restore::run(&args),
        Some(Action::Repair(args)) => repair::run(&args),
        Some(Action::Export(args)) => backup::run_export(&args, flags),
        Some(Action::Import(args)) => import::run(&args, flags),
        Some(Action::Migrate(args)) => migrate::run(&args),
        Some(Action::Cells(args)) => cells::run(args, flags),
        Some(Action::Listen(args)) => listen::run(&args),
        Some(Action::Send(args)) => send::run(&args),
        Some(Action::Keys(args)) => keys::run(&args),
        Some(Action::Explain(args)) => explain::run(&args),
    }
}

/// Returns the declared command line, from which `examples/assets` generates manual pages.
///
/// The flags of `serve` also work without the command, where help does not list them.
#[must_use]
pub fn command() -> Command {
    let hidden = serve::with_flags(Cli::command()).mut_args(|arg| {
        let is_flag_of_serve = !matches!(arg.get_id().as_str(), "help" | "version");
        if is_flag_of_serve { arg.hide(true) } else { arg }
    });
    let program =
        hidden.mut_subcommand("serve", serve::with_flags).mut_subcommand("config", config::with_flags);
    let overview = render::overview::overview(&program);
    program.override_help(overview)
}

fn parse(words: &[OsString]) -> Result<(Option<Action>, ArgMatches), clap::Error> {
    let line = without_variables(command()).try_get_matches_from(words).map_err(|error| {
        // Only the long help shows variables.
        let is_long = words.iter().any(|word| word == "--help" || word == "help");
        let is_long = is_long && matches!(error.kind(), ErrorKind::DisplayHelp);
        is_long.then(|| command().try_get_matches_from(words).err()).flatten().unwrap_or(error)
    })?;
    Ok((Cli::from_arg_matches(&line)?.command, line))
}

/// Returns the settings of these flags of the server, without those of this machine.
#[cfg(test)]
pub(crate) fn settings_of(flags: &[&str]) -> crate::server_config::ServerConfig {
    let words: Vec<OsString> =
        [&["webpush-server", "serve"], flags].concat().iter().map(OsString::from).collect();
    let (_, line) = parse(&words).unwrap_or_else(|error| panic!("{error}"));
    let flags = line.subcommand().map_or(&line, |(_, flags)| flags);
    let resolved = serve::layers(flags).with_default_path("/nowhere".as_ref()).resolve();
    serve::settings(&resolved.unwrap_or_else(|error| panic!("{error:?}")))
        .unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let (action, line) = parse(&words).unwrap();
        assert!(matches!(action, None | Some(Action::Serve)));
        let flags = line.subcommand().map_or(&line, |(_, flags)| flags);
        let resolved = serve::layers(flags).with_default_path("/nowhere".as_ref()).resolve().unwrap();
        resolved.values["listen.port"].texts[0].to_str().unwrap().to_owned()
    }

    #[test]
    fn flags_of_the_server_work_with_and_without_the_command() {
        assert_eq!(port(&["webpush-server", "--port", "7", "--host", "127.0.0.1"]), "7");
        assert_eq!(port(&["webpush-server", "serve", "--port=8"]), "8");
        let both = ["webpush-server", "--port", "7", "serve"].map(OsString::from);
        assert!(parse(&both).is_err());
    }

    /// E7: `serve` suggested `restore`.
    #[test]
    fn commands_that_newcomers_guess_are_real() {
        let action = |word: &str| {
            let words = ["webpush-server", word].map(OsString::from);
            parse(&words).unwrap().0.unwrap()
        };
        for word in ["serve", "start", "run"] {
            assert!(matches!(action(word), Action::Serve), "{word}");
        }
        assert!(matches!(action("status"), Action::Health(_)));
        assert!(matches!(action("version"), Action::Version));
    }

    #[test]
    fn short_help_is_compact_and_long_help_shows_variables() {
        let help = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            parse(&words).unwrap_err().to_string()
        };
        let (short, long) = (help(&["x", "serve", "-h"]), help(&["x", "serve", "--help"]));
        assert!(!short.contains("WEBPUSH_SERVER_") && long.contains("WEBPUSH_SERVER_LISTEN__PORT"));
        assert!(short.contains("--port") && short.lines().count() * 2 < long.lines().count());
        assert_eq!(help(&["x", "-h"]), help(&["x", "--help"]));
        assert!(!help(&["x", "-h"]).contains("--port"));
    }
}
