//! `sealing-keys`: lists and rotates the keys that seal URLs.

use crate::cli::admin_client::{AdminAt, AdminClient};
use crate::cli::render::table::{cell, list};
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use clap::{ArgMatches, ValueEnum};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// List or rotate the keys that seal URLs
///
/// A new key seals every new URL. Existing URLs stay valid, because their keys are kept. Needs no restart. A server can
/// have up to 256 keys.
#[derive(Debug, clap::Args)]
pub(crate) struct SealingKeysArgs {
    #[command(flatten)]
    at: AdminAt,

    /// Action
    #[arg(value_enum, default_value_t = Action::List, hide_default_value = true)]
    action: Action,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    List,
    Rotate,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &SealingKeysArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| ask(args, client))
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
    let pending = match &answer["pending"] {
        Value::Null => String::new(),
        id => format!("; {id} seals new URLs in at most 70 seconds, when every node has it"),
    };
    Ok(terminal::line(&format!("sealing keys {ids}; current: {}{pending}", answer["current"]))?)
}
