//! `subscriptions`: which there are, and removing one.

use super::admin_client::{AdminAt, AdminClient};
use super::agents::{revoked, subscriptions};
use super::named::{Shown, agent, subscription};
use super::{asking, terminal};
use anyhow::Context as _;
use clap::{ArgMatches, ValueEnum};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// List, show or remove the subscriptions of the running service
#[derive(Debug, clap::Args)]
pub struct SubscriptionsArgs {
    #[command(flatten)]
    at: AdminAt,

    /// What to do
    #[arg(value_enum, default_value_t = Action::List, hide_default_value = true)]
    action: Action,

    /// Which one, to show or to revoke: AGENT/NAME as a list has it, or one of its URLs, such as the push URL
    #[arg(value_name = "SUBSCRIPTION")]
    which: Option<String>,

    /// List only those of this agent: its name, one of its URLs, or its uaid
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,

    #[command(flatten)]
    shown: Shown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    List,
    Show,
    Revoke,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &SubscriptionsArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| ask(args, client))
}

async fn ask(args: &SubscriptionsArgs, client: AdminClient) -> anyhow::Result<()> {
    let which =
        || args.which.as_deref().context("name a subscription: as a list does, or by one of its URLs");
    let (method, path) = match args.action {
        Action::List => {
            let mut path = format!("/admin/subscriptions?{}", args.shown.query());
            if let Some(which) = &args.agent {
                path += &format!("&agent={}", agent(&client, which).await?);
            }
            (Method::GET, path)
        }
        Action::Show => {
            (Method::GET, format!("/admin/subscriptions/{}", subscription(&client, which()?).await?))
        }
        Action::Revoke => {
            (Method::DELETE, format!("/admin/subscriptions/{}", subscription(&client, which()?).await?))
        }
    };
    let answer = client.demand_json(method, &path, "").await?;
    if args.shown.json {
        return Ok(terminal::json(&answer)?);
    }
    let text = match (args.action, answer["next"].as_str()) {
        (Action::List, Some(next)) => {
            format!("{}\nmore with --after {next}", subscriptions(&answer["subscriptions"]))
        }
        (Action::List, None) => subscriptions(&answer["subscriptions"]),
        (Action::Show, _) => subscriptions(&Value::Array(vec![answer])),
        (Action::Revoke, _) => revoked(&answer),
    };
    Ok(terminal::line(&text)?)
}
