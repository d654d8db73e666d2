//! `backlog`: undelivered messages.

use super::agents::counted_as;
use crate::cli::admin_client::{AdminAt, AdminClient};
use crate::cli::render::table::{ago, cell, list, table};
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use clap::ArgMatches;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// Show undelivered messages, by agent
#[derive(Debug, clap::Args)]
pub(crate) struct BacklogArgs {
    #[command(flatten)]
    at: AdminAt,

    /// Number of agents to list, at most 1000
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: u16,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &BacklogArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| ask(args, client))
}

async fn ask(args: &BacklogArgs, client: AdminClient) -> anyhow::Result<()> {
    let path = format!("/admin/backlog?limit={}", args.top);
    let answer = client.demand_json(Method::GET, &path, "").await?;
    if args.json {
        return Ok(terminal::json(&answer)?);
    }
    let row =
        |row: &Value| [cell(&row["agent"]), cell(&row["messages"]), cell(&row["bytes"]), ago(&row["oldest"])];
    let rows: Vec<_> = list(&answer["largest"]).iter().map(row).collect();
    let oldest = match &answer["oldest"] {
        Value::Null => String::new(),
        oldest => format!(", the oldest {} old", ago(oldest)),
    };
    let sum = format!(
        "{} ({}) for {}{oldest}; {}",
        counted_as(&answer["messages"], "undelivered message"),
        counted_as(&answer["bytes"], "byte"),
        counted_as(&answer["agents"], "agent"),
        counted_as(&answer["receipts"], "undelivered receipt")
    );
    let table = table(["AGENT", "MESSAGES", "BYTES", "OLDEST"], &rows);
    Ok(terminal::line(&if rows.is_empty() { sum } else { format!("{sum}\n\n{table}") })?)
}
