//! `health`: checks whether the local server is ready.

use crate::cli::admin_client::{self, AdminAt, AdminClient};
use crate::cli::runtime::{block_on, exit};
use anyhow::bail;
use bytes::Bytes;
use clap::ArgMatches;
use http::{Method, StatusCode};
use std::process::ExitCode;

/// Check whether the local server is ready
///
/// For container health checks and scripts. Exit status 0: the server is ready. 1: it is not, or does not answer; one
/// line on standard error says why. Needs no token.
#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    at: AdminAt,

    /// Check only that the process answers, not that it can store messages
    #[arg(long)]
    live: bool,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &HealthArgs, line: &ArgMatches) -> ExitCode {
    let path = if args.live { "/health" } else { "/ready" };
    exit(AdminClient::find_without_token(line).and_then(|client| block_on(ask(client, path))))
}

async fn ask(client: AdminClient, path: &str) -> anyhow::Result<()> {
    let answer = client.ask(Method::GET, path, Bytes::new()).await?;
    if answer.status() == StatusCode::OK {
        return Ok(());
    }
    let body: serde_json::Value =
        serde_json::from_str(&admin_client::text(answer).await?).unwrap_or_default();
    match body["reason"].as_str() {
        Some(reason) => bail!("not ready: {reason}"),
        None => bail!(admin_client::not_the_admin_listener(client.address())),
    }
}
