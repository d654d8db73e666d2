//! `config`: validates, prints and describes the configuration.

use super::serve::{self, INVALID_CONFIGURATION};
use crate::acme::authority::check_trust;
use crate::cli::exit::print_error;
use crate::cli::render::terminal;
use clap::{ArgMatches, Command, Subcommand};
use std::io;
use std::process::ExitCode;
use webpush_config::error::ConfigError;
use webpush_config::layers::{ConfigLayers, EffectiveConfig};
use webpush_config::{reference, schema};
use webpush_http::transport::tls;
use webpush_service::bearer_tokens::BearerTokens;
use webpush_service::system;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Validate the configuration before a restart or reload:
      webpush-server config check --config webpush-server.toml

  Show the effective values and their sources:
      webpush-server config print";

/// Validate, print or describe the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Validate the configuration; takes the flags of serve
    ///
    /// Prints one line per error. The exit status is 2 if there are any.
    Check,
    /// Print the effective configuration as TOML; takes the flags of serve
    ///
    /// Shows the source of each value, and no secrets.
    Print,
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Print docs/configuration.md
    #[command(hide = true)]
    Reference,
}

/// Adds the flags of `serve` to the subcommands that resolve settings.
pub(crate) fn with_flags(config: Command) -> Command {
    config.mut_subcommand("check", serve::with_flags).mut_subcommand("print", serve::with_flags)
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &ConfigArgs, line: &ArgMatches) -> ExitCode {
    // The flags after the last subcommand.
    let line = line.subcommand().map_or(line, |(_, flags)| flags);
    let printed = match args.command {
        ConfigCommand::Check => return check(&serve::layers(line)),
        ConfigCommand::Print => match serve::layers(line).resolve() {
            Ok(resolved) => match serve::settings(&resolved) {
                Ok(settings) => terminal::line(settings.toml(None).trim_end()),
                Err(error) => {
                    print_error(&error);
                    return ExitCode::FAILURE;
                }
            },
            Err(faults) => return tell(faults.iter()),
        },
        ConfigCommand::Schema => pretty(&schema::schema(&serve::declared())),
        ConfigCommand::Reference => terminal::line(reference::page(&serve::declared()).trim_end()),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn pretty(value: &serde_json::Value) -> io::Result<()> {
    terminal::line(&serde_json::to_string_pretty(value)?)
}

fn check(layers: &ConfigLayers) -> ExitCode {
    match layers.resolve() {
        Err(faults) => tell(faults.iter()),
        Ok(resolved) => match unusable(&resolved) {
            Ok(faults) if faults.is_empty() => {
                warn(&resolved);
                terminal::note("the configuration is valid");
                ExitCode::SUCCESS
            }
            Ok(faults) => tell(faults.iter()),
            Err(error) => {
                print_error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

/// Checks what no parser can: the content of files, and the addresses to listen on.
fn unusable(resolved: &EffectiveConfig) -> anyhow::Result<Vec<ConfigError>> {
    let settings = serve::settings(resolved)?;
    let mut faults = Vec::new();
    let mut look = |names: &[&str], looked: anyhow::Result<()>| {
        if let Err(error) = looked {
            let named = names.iter().find(|name| resolved.values.contains_key(**name));
            let source = resolved.source(named.unwrap_or(&names[0]));
            faults.push(ConfigError::new(source, format!("{error:#}")));
        }
    };
    if let Some(identity) = &settings.identity {
        look(&["tls.cert", "tls.pfx"], tls::load(identity).map(drop));
    }
    if let Some(acme) = &settings.acme {
        look(&["acme.directory_ca_file", "acme.domains"], check_trust(acme.directory_ca_file.as_deref()));
    }
    let tokens = |source| BearerTokens::load(source, &system::env()).map(drop);
    let subscribe = settings.subscribe_tokens.as_ref().map_or(Ok(()), tokens);
    look(&["subscribe.tokens_file", "subscribe.tokens"], subscribe);
    if let Some(admin) = &settings.admin {
        let loaded = admin.tokens.as_ref().map_or(Ok(()), tokens);
        look(&["admin.tokens_file", "admin.tokens"], loaded);
        look(&["admin.listen"], admin.check());
    }
    if let Some(store) = &settings.store {
        look(&["storage.url"], store.check());
    }
    look(&["listen.host"], settings.check_host());
    look(&["listen.also"], settings.check_also_listen());
    look(&["chromium.listen"], settings.check_chromium());
    Ok(faults)
}

/// Warns about what clients will stumble over.
fn warn(resolved: &EffectiveConfig) {
    let Ok(settings) = serve::settings(resolved) else { return };
    let certificate = settings.identity.as_ref().and_then(|identity| tls::load(identity).ok());
    let warnings = settings.warnings(certificate.as_ref(), system::env().now());
    let origin = settings.origin.clone().or_else(|| settings.likely_origin());
    let of_origin = origin.and_then(|origin| settings.origin_warning(&origin));
    warnings.iter().chain(&of_origin).for_each(|warning| terminal::warning(warning));
}

fn tell<'a>(faults: impl Iterator<Item = &'a ConfigError>) -> ExitCode {
    faults.for_each(|fault| terminal::error(&fault.to_string()));
    ExitCode::from(INVALID_CONFIGURATION)
}

#[cfg(test)]
mod tests;
