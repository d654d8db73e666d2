//! `backlog`: what waits for agents that are away.

use super::admin_client::{AdminAt, AdminClient};
use super::named::{ago, cell, list, table};
use super::{asking, terminal};
use clap::ArgMatches;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// Say how much waits for agents that are away, and for which the most
#[derive(Debug, clap::Args)]
pub struct BacklogArgs {
    #[command(flatten)]
    at: AdminAt,

    /// How many of the agents with the most messages to name, up to 1000
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: u16,

    /// Print JSON as the service says it
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &BacklogArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| ask(args, client))
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
        oldest => format!(", the oldest for {}", ago(oldest)),
    };
    let sum = format!(
        "{} messages with {} bytes wait for {} agents{oldest}; {} receipts wait for senders",
        answer["messages"], answer["bytes"], answer["agents"], answer["receipts"]
    );
    let table = table(["AGENT", "MESSAGES", "BYTES", "OLDEST"], &rows);
    Ok(terminal::line(&if rows.is_empty() { sum } else { format!("{sum}\n\n{table}") })?)
}
