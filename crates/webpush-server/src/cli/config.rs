//! `config`: looks at the configuration without serving.

use super::serve::{self, WRONG_SETTINGS};
use super::terminal;
use crate::acme::authority::check_trust;
use clap::{ArgMatches, Command, Subcommand};
use std::io;
use std::process::ExitCode;
use webpush_config::error::ConfigError;
use webpush_config::layers::{Layers, Resolved};
use webpush_config::{reference, schema};
use webpush_http::transport::tls;
use webpush_service::bearer_tokens::BearerTokens;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Look for mistakes before a restart or reload:
      webpush-server config check --config webpush-server.toml

  See what is in force, and what each value comes from:
      webpush-server config print";

/// Look at the configuration: what is wrong with it, what is in force, what there is
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// Say what is wrong and where, one line each; exit status 2 if anything is. Takes the flags of serving
    Check,
    /// Print the configuration in force as TOML, with the source of each value, but no secrets. Takes the flags of serving
    Print,
    /// Print the JSON Schema of the file
    Schema,
    /// Print the page docs/configuration.md
    #[command(hide = true)]
    Reference,
}

/// Gives the flags of serving to the verbs that look at what is in force.
pub(super) fn with_flags(config: Command) -> Command {
    config.mut_subcommand("check", serve::with_flags).mut_subcommand("print", serve::with_flags)
}

/// Runs the verb.
#[must_use]
pub fn run(args: &ConfigArgs, line: &ArgMatches) -> ExitCode {
    // The flags are those behind the last word of the verb.
    let line = line.subcommand().and_then(|(_, config)| config.subcommand()).map_or(line, |(_, flags)| flags);
    let said = match args.what {
        What::Check => return check(&serve::layers(line)),
        What::Print => match serve::layers(line).resolve() {
            Ok(resolved) => terminal::line(resolved.to_toml().trim_end()),
            Err(faults) => return tell(faults.iter()),
        },
        What::Schema => pretty(&schema::schema(&serve::declared())),
        What::Reference => {
            terminal::line(reference::page(&serve::declared(), serve::takes_effect_at_once).trim_end())
        }
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn pretty(value: &serde_json::Value) -> io::Result<()> {
    terminal::line(&serde_json::to_string_pretty(value)?)
}

fn check(layers: &Layers) -> ExitCode {
    match layers.resolve() {
        Err(faults) => tell(faults.iter()),
        Ok(resolved) => match unusable(&resolved) {
            Ok(faults) if faults.is_empty() => {
                terminal::note("the configuration can be used");
                ExitCode::SUCCESS
            }
            Ok(faults) => tell(faults.iter()),
            Err(error) => {
                super::report(&error);
                ExitCode::FAILURE
            }
        },
    }
}

/// What no parser can see: files that are not as they should be, and addresses that must not be listened on.
fn unusable(resolved: &Resolved) -> anyhow::Result<Vec<ConfigError>> {
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
    let tokens = |source| BearerTokens::load(source).map(drop);
    let subscribe = settings.subscribe_tokens.as_ref().map_or(Ok(()), tokens);
    look(&["subscribe.tokens_file", "subscribe.tokens"], subscribe);
    if let Some(admin) = &settings.admin {
        let loaded = admin.tokens.as_ref().map_or(Ok(()), tokens);
        look(&["admin.tokens_file", "admin.tokens"], loaded);
        look(&["admin.listen"], admin.check());
    }
    look(&["listen.host"], settings.check_host());
    Ok(faults)
}

fn tell<'a>(faults: impl Iterator<Item = &'a ConfigError>) -> ExitCode {
    faults.for_each(|fault| terminal::error(&fault.to_string()));
    ExitCode::from(WRONG_SETTINGS)
}
