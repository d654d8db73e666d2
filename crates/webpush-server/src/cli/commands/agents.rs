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

    /// Revoke without asking
    #[arg(long)]
    yes: bool,

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
        Action::Revoke => {
            let id = agent(&client, which()?).await?;
            let question = format!("Revoke agent {id}, with its subscriptions and undelivered messages?");
            terminal::confirm(&question, args.yes)?;
            (Method::DELETE, format!("/admin/agents/{id}"))
        }
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
            // The note of the last time is coarse: an agent has not listened before it was created.
            _ => ago(&row["listened"].as_u64().max(row["created"].as_u64()).into()),
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
    let protocols = if protocols.is_empty() { protocols } else { format!(" ({protocols})") };
    format!(
        "{} ({} online), {}{protocols}, {}",
        counted_as(&answer["agents"], "agent"),
        answer["listening"],
        counted_as(&answer["subscriptions"], "subscription"),
        counted_as(&answer["receipt_subscriptions"], "receipt subscription")
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
    format!(
        "revoked; discarded {}, sent {}",
        counted_as(&answer["messages"], "message"),
        counted_as(&answer["receipts"], "receipt")
    )
}

/// Renders a number of things whose plural ends in s.
pub(super) fn counted_as(count: &Value, thing: &str) -> String {
    let s = if *count == 1 { "" } else { "s" };
    format!("{count} {thing}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_the_right_plural_and_no_empty_parentheses() {
        let answer = json!({"agents": 1, "listening": 0, "subscriptions": 0, "receipt_subscriptions": 2, "by_protocol": {}});
        assert_eq!(counted(&answer), "1 agent (0 online), 0 subscriptions, 2 receipt subscriptions");
        let answer = json!({"messages": 1, "receipts": 0});
        assert_eq!(revoked(&answer), "revoked; discarded 1 message, sent 0 receipts");
    }

    #[test]
    fn an_agent_was_not_seen_before_it_was_created() {
        let row = |listened: Value| json!({"created": 3_600_000, "listened": listened, "listening": false});
        assert_eq!(rows(&[row(json!(1))]), rows(&[row(json!(3_600_000))]));
    }
}
