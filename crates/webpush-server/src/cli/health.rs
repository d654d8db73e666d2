//! `webpush-server health`: asks a running service whether it can work, for the health check of a container.

use super::admin_client::{self, AdminAt, AdminClient};
use super::{exit, to_its_end};
use anyhow::bail;
use bytes::Bytes;
use clap::ArgMatches;
use http::{Method, StatusCode};
use std::process::ExitCode;

/// Ask the service on this machine whether it can work.
///
/// Exit status 0: it can. 1: it can't, or does not answer; one line on standard error says why. For HEALTHCHECK of a
/// container, and for scripts. No token is needed.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    #[command(flatten)]
    at: AdminAt,

    /// Only whether the process is there, whatever its store does
    #[arg(long)]
    live: bool,
}

/// Asks once.
#[must_use]
pub fn run(args: &HealthArgs, line: &ArgMatches) -> ExitCode {
    let path = if args.live { "/health" } else { "/ready" };
    exit(AdminClient::find_without_token(line).and_then(|client| to_its_end(ask(client, path))))
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
        None => bail!("what answers there is not the admin listener of this service"),
    }
}
