//! `subscriptions`: lists, shows and revokes subscriptions.

use super::agents::{revoked, subscriptions};
use crate::cli::admin_client::{AdminAt, AdminClient};
use crate::cli::render::table::{ListOptions, agent, subscription};
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use anyhow::Context as _;
use clap::{ArgMatches, ValueEnum};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// List, show or revoke subscriptions
#[derive(Debug, clap::Args)]
pub(crate) struct SubscriptionsArgs {
    #[command(flatten)]
    at: AdminAt,

    /// Action
    #[arg(value_enum, default_value_t = Action::List, hide_default_value = true)]
    action: Action,

    /// Subscription to show or revoke: AGENT/SUBSCRIPTION from the list, or one of its URLs
    #[arg(value_name = "SUBSCRIPTION")]
    which: Option<String>,

    /// List only subscriptions of this agent: its log ID, one of its URLs, or its uaid
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,

    /// Revoke without asking
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    list: ListOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    List,
    Show,
    Revoke,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &SubscriptionsArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| ask(args, client))
}

async fn ask(args: &SubscriptionsArgs, client: AdminClient) -> anyhow::Result<()> {
    let which = || {
        args.which.as_deref().context("missing argument: SUBSCRIPTION (AGENT/SUBSCRIPTION from 'subscriptions list', or one of its URLs)")
    };
    let (method, path) = match args.action {
        Action::List => {
            let mut path = format!("/admin/subscriptions?{}", args.list.query());
            if let Some(which) = &args.agent {
                path += &format!("&agent={}", agent(&client, which).await?);
            }
            (Method::GET, path)
        }
        Action::Show => {
            (Method::GET, format!("/admin/subscriptions/{}", subscription(&client, which()?).await?))
        }
        Action::Revoke => {
            let id = subscription(&client, which()?).await?;
            let question = format!("Revoke subscription {id}, with its undelivered messages?");
            terminal::confirm(&question, args.yes)?;
            (Method::DELETE, format!("/admin/subscriptions/{id}"))
        }
    };
    let answer = client.demand_json(method, &path, "").await?;
    if args.list.json {
        return Ok(terminal::json(&answer)?);
    }
    let text = match (args.action, answer["next"].as_str()) {
        (Action::List, Some(next)) => {
            format!("{}\nnext page: --after {next}", subscriptions(&answer["subscriptions"]))
        }
        (Action::List, None) => subscriptions(&answer["subscriptions"]),
        (Action::Show, _) => subscriptions(&Value::Array(vec![answer])),
        (Action::Revoke, _) => revoked(&answer),
    };
    Ok(terminal::line(&text)?)
}
