//! `sealing-keys`: the keys that URLs are sealed with.

use super::admin_client::{AdminAt, AdminClient};
use super::named::{cell, list};
use super::{asking, terminal};
use clap::{ArgMatches, ValueEnum};
use http::Method;
use std::process::ExitCode;

/// List the keys that URLs are sealed with, by their ids, or make a new one
///
/// A new key seals every URL that is given out from then on. URLs that were given out before stay valid, since their keys are
/// kept. No restart is needed. There can be 256 in all.
#[derive(Debug, clap::Args)]
pub struct SealingKeysArgs {
    #[command(flatten)]
    at: AdminAt,

    /// What to do
    #[arg(value_enum, default_value_t = Action::List, hide_default_value = true)]
    action: Action,

    /// Print JSON as the service says it
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    List,
    Rotate,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &SealingKeysArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| ask(args, client))
}

async fn ask(args: &SealingKeysArgs, client: AdminClient) -> anyhow::Result<()> {
    let method = match args.action {
        Action::List => Method::GET,
        Action::Rotate => Method::POST,
    };
    let answer = client.demand_json(method, "/admin/keys", "").await?;
    if args.json {
        return Ok(terminal::json(&answer)?);
    }
    let ids = list(&answer["ids"]).iter().map(cell).collect::<Vec<_>>().join(", ");
    Ok(terminal::line(&format!("sealing keys {ids}; {} seals what is new", answer["current"]))?)
}
