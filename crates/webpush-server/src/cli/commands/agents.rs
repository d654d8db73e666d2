//! `agents`: lists, counts, shows and revokes user agents.

use crate::cli::admin_client::{AdminAt, AdminClient};
use crate::cli::render::table::{ListOptions, agent, ago, cell, list, table};
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use anyhow::Context as _;
use clap::{ArgMatches, ValueEnum};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
      webpush-server agents
      webpush-server agents count
      webpush-server agents show 5d3c9a0b1f2e4d6c8a7b9c0d1e2f3a4b
      webpush-server agents revoke https://push.example.net/subscription-set/…

An agent is shown by its log ID, which cannot be used to send or receive. Revoking an agent has the same effect
as the agent unsubscribing: its sessions are closed, its messages are discarded, senders receive 404
(410 from autopush URLs), and pending receipts are sent.";

/// List, count, show or revoke user agents
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct AgentsArgs {
    #[command(flatten)]
    at: AdminAt,

    /// Action
    #[arg(value_enum, default_value_t = Action::List, hide_default_value = true)]
    action: Action,

    /// Agent to show or revoke: its log ID, one of its URLs, or its uaid
    #[arg(value_name = "AGENT")]
    which: Option<String>,

    #[command(flatten)]
    list: ListOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    List,
    Count,
    Show,
    Revoke,
}

const MISSING: &str = "missing argument: AGENT (the log ID from 'agents list', one of its URLs, or its uaid)";

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &AgentsArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| ask(args, client))
}

async fn ask(args: &AgentsArgs, client: AdminClient) -> anyhow::Result<()> {
    let which = || args.which.as_deref().context(MISSING);
    let (method, path) = match args.action {
        Action::List => (Method::GET, format!("/admin/agents?{}", args.list.query())),
        Action::Count => (Method::GET, "/admin/agents/count".to_owned()),
        Action::Show => (Method::GET, format!("/admin/agents/{}", agent(&client, which()?).await?)),
        Action::Revoke => (Method::DELETE, format!("/admin/agents/{}", agent(&client, which()?).await?)),
    };
    let answer = client.demand_json(method, &path, "").await?;
    if args.list.json {
        return Ok(terminal::json(&answer)?);
    }
    let text = match args.action {
        Action::List => listed(&answer),
        Action::Count => counted(&answer),
        Action::Show => {
            format!("{}\n\n{}", rows(std::slice::from_ref(&answer)), subscriptions(&answer["list"]))
        }
        Action::Revoke => revoked(&answer),
    };
    Ok(terminal::line(&text)?)
}

fn listed(answer: &Value) -> String {
    let rows = rows(list(&answer["agents"]));
    match answer["next"].as_str() {
        Some(next) => format!("{rows}\nnext page: --after {next}"),
        None => rows,
    }
}

fn rows(agents: &[Value]) -> String {
    let row = |row: &Value| {
        let listened = match row["listening"].as_bool() {
            Some(true) => "now".to_owned(),
            _ => ago(&row["listened"]),
        };
        [
            cell(&row["agent"]),
            ago(&row["created"]),
            listened,
            cell(&row["subscriptions"]),
            cell(&row["messages"]),
            cell(&row["bytes"]),
        ]
    };
    let heading = ["AGENT", "CREATED", "LAST SEEN", "SUBSCRIPTIONS", "MESSAGES", "BYTES"];
    table(heading, &agents.iter().map(row).collect::<Vec<_>>())
}

fn counted(answer: &Value) -> String {
    let protocols = answer["by_protocol"].as_object().into_iter().flatten();
    let protocols =
        protocols.map(|(protocol, count)| format!("{count} {protocol}")).collect::<Vec<_>>().join(", ");
    format!(
        "{} agents ({} online), {} subscriptions ({protocols}), {} receipt subscriptions",
        answer["agents"], answer["listening"], answer["subscriptions"], answer["receipt_subscriptions"]
    )
}

/// Renders subscriptions as a table.
pub(super) fn subscriptions(rows: &Value) -> String {
    let row = |row: &Value| {
        let senders = if row["restricted"] == true { "one key" } else { "any" };
        [
            cell(&row["subscription"]),
            ago(&row["created"]),
            cell(&row["protocol"]),
            senders.to_owned(),
            cell(&row["sealing_key"]),
        ]
    };
    let rows: Vec<_> = list(rows).iter().map(row).collect();
    table(["SUBSCRIPTION", "CREATED", "PROTOCOL", "SENDERS", "SEALING KEY"], &rows)
}

/// Describes the effect of a revocation.
pub(super) fn revoked(answer: &Value) -> String {
    format!("revoked; discarded {} messages, sent {} receipts", answer["messages"], answer["receipts"])
}
