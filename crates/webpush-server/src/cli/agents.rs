//! `agents`: which user agents there are, and removing one.

use super::admin_client::{AdminAt, AdminClient};
use super::named::{Shown, agent, ago, cell, list, table};
use super::{asking, terminal};
use anyhow::Context as _;
use clap::{ArgMatches, ValueEnum};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
      webpush-server agents
      webpush-server agents count
      webpush-server agents show 5d3c9a0b1f2e4d6c
      webpush-server agents revoke https://push.example.net/subscription-set/…

Names are hashes: they say which agent it is, and let nobody send to it. To revoke is what an agent
does that deletes itself: its sessions end, senders get 404, or 410 where autopush has it, and who
wanted receipts gets them.";

/// List, count, show or remove the user agents of the running service
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct AgentsArgs {
    #[command(flatten)]
    at: AdminAt,

    /// What to do
    #[arg(value_enum, default_value_t = Action::List, hide_default_value = true)]
    action: Action,

    /// Which one, to show or to revoke: its name, one of its URLs, or its uaid
    #[arg(value_name = "AGENT")]
    which: Option<String>,

    #[command(flatten)]
    shown: Shown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    List,
    Count,
    Show,
    Revoke,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &AgentsArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| ask(args, client))
}

async fn ask(args: &AgentsArgs, client: AdminClient) -> anyhow::Result<()> {
    let which =
        || args.which.as_deref().context("name an agent: as a list does, by one of its URLs, or its uaid");
    let (method, path) = match args.action {
        Action::List => (Method::GET, format!("/admin/agents?{}", args.shown.query())),
        Action::Count => (Method::GET, "/admin/agents/count".to_owned()),
        Action::Show => (Method::GET, format!("/admin/agents/{}", agent(&client, which()?).await?)),
        Action::Revoke => (Method::DELETE, format!("/admin/agents/{}", agent(&client, which()?).await?)),
    };
    let answer = client.demand_json(method, &path, "").await?;
    if args.shown.json {
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
        Some(next) => format!("{rows}\nmore with --after {next}"),
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
    let heading = ["AGENT", "CREATED", "LISTENED", "SUBSCRIPTIONS", "MESSAGES", "BYTES"];
    table(heading, &agents.iter().map(row).collect::<Vec<_>>())
}

fn counted(answer: &Value) -> String {
    let protocols = answer["by_protocol"].as_object().into_iter().flatten();
    let protocols =
        protocols.map(|(protocol, count)| format!("{count} {protocol}")).collect::<Vec<_>>().join(", ");
    format!(
        "{} agents, {} of them listening; {} subscriptions ({protocols}); {} receipt subscriptions",
        answer["agents"], answer["listening"], answer["subscriptions"], answer["receipt_subscriptions"]
    )
}

/// Subscriptions as rows.
pub(super) fn subscriptions(rows: &Value) -> String {
    let row = |row: &Value| {
        let restricted = if row["restricted"] == true { "one sender" } else { "anybody" };
        [
            cell(&row["subscription"]),
            ago(&row["created"]),
            cell(&row["protocol"]),
            restricted.to_owned(),
            cell(&row["sealing_key"]),
        ]
    };
    let rows: Vec<_> = list(rows).iter().map(row).collect();
    table(["SUBSCRIPTION", "CREATED", "DIALECT", "FOR", "SEALING KEY"], &rows)
}

/// What came of a removal.
pub(super) fn revoked(answer: &Value) -> String {
    format!("removed; {} messages ended, {} receipts say so", answer["messages"], answer["receipts"])
}
