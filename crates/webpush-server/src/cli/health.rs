//! `webpush-server health`: asks a running service whether it can work, for the health check of a container.

use super::admin_client::{self, AdminAt, AdminClient};
use super::report;
use anyhow::Context as _;
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
    match ask(path, line) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(why)) => {
            eprintln!("webpush-server: {why}");
            ExitCode::FAILURE
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Why it can't work, if it can't.
fn ask(path: &str, line: &ArgMatches) -> anyhow::Result<Option<String>> {
    let client = AdminClient::find_without_token(line)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime can't be started")?.block_on(async {
        let answer = client.ask(Method::GET, path, Bytes::new()).await?;
        if answer.status() == StatusCode::OK {
            return Ok(None);
        }
        let body: serde_json::Value =
            serde_json::from_str(&admin_client::text(answer).await?).unwrap_or_default();
        Ok(Some(match body["reason"].as_str() {
            Some(reason) => format!("not ready: {reason}"),
            None => "what answers there is not the admin listener of this service".to_owned(),
        }))
    })
}
