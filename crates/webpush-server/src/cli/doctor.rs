//! `webpush-server doctor`: looks at a service as its agents and senders see it, and says what to change.

use super::admin_client::{self, AdminAt, AdminClient};
use super::values::parse_time;
use super::{report, serve, terminal, to_its_end};
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::{Examination, machine};
use anyhow::Context as _;
use bytes::Bytes;
use clap::{ArgMatches, ValueHint};
use http::Method;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use webpush_admin::keys_file;
use webpush_client::connection::Connector;
use webpush_client::url::CapabilityUrl;
use webpush_config::error::ConfigError;
use webpush_service::bearer_tokens::TokenSource;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  On the machine of the service, through the name that agents use:
      webpush-server doctor

  From elsewhere:
      webpush-server doctor https://push.example.net

Exit status 0: nothing is wrong. 1: something is, and what to change is said. 2: the command line or the
configuration can't be used.";

/// Look at a service as its agents and senders see it, and say what to change
///
/// Name and addresses, certificate, HTTP/1.1 and HTTP/2 through the proxy in front, server push, WebSocket, a message on
/// its whole way, the origin, a silent connection, the clock; without URL also data folder, disk and file descriptors. Takes
/// a little more than a minute, for the silence.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// What agents are given [default: the origin of the configuration, and this machine is looked at as well]
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,

    /// For how long a WebSocket is left silent; 0 leaves that out. Proxies are often set to close after a minute
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "65s")]
    silence: Duration,

    /// Also trust the authorities in this PEM file for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Print the findings as lines of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    at: AdminAt,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &DoctorArgs, line: &ArgMatches) -> ExitCode {
    let resolved = match serve::layers(line).resolve() {
        Ok(resolved) => resolved,
        Err(faults) => {
            faults.iter().map(ConfigError::to_string).for_each(|fault| terminal::error(&fault));
            return ExitCode::from(serve::WRONG_SETTINGS);
        }
    };
    let examined = serve::settings(&resolved).and_then(|settings| to_its_end(examine(args, line, &settings)));
    match examined {
        Ok(worst) if worst < Verdict::Bad => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            report(&error);
            ExitCode::from(serve::WRONG_SETTINGS)
        }
    }
}

/// The worst of all findings.
async fn examine(
    args: &DoctorArgs,
    line: &ArgMatches,
    settings: &crate::serve::ServerConfig,
) -> anyhow::Result<Verdict> {
    let url = match &args.url {
        Some(url) => CapabilityUrl::parse(url)?,
        None => own_url(settings, origin_in_force(line).await)?,
    };
    let mut worst = Verdict::Good;
    let mut tell = |finding: Finding| {
        worst = worst.max(finding.verdict);
        // Who reads no more has seen enough.
        let _ = if args.json { terminal::json(&finding) } else { terminal::line(&finding.to_string()) };
    };
    if args.url.is_none() {
        tell(machine::folder(&settings.data_dir));
        tell(machine::disk(&settings.data_dir));
        tell(match metrics(line).await {
            Ok(metrics) => machine::descriptors(&metrics),
            Err(error) => machine::unanswered(&error),
        });
    }
    if !args.json && !args.silence.is_zero() {
        terminal::note(&format!(
            "the last look takes {} s: a WebSocket is left silent",
            args.silence.as_secs()
        ));
    }
    let examination = Examination {
        url,
        connector: Connector::new(args.ca_file.clone()),
        keyring: keyring(&settings.data_dir),
        silence: args.silence,
    };
    examination.run(tell).await;
    Ok(worst)
}

/// What the running service says that its origin is: it may have been told by flags.
async fn origin_in_force(line: &ArgMatches) -> Option<String> {
    let client = AdminClient::find(line).ok()?;
    let status = client.demand_json(Method::GET, "/admin/status", Bytes::new()).await.ok()?;
    status["origin"].as_str().map(str::to_owned)
}

/// The origin in force or else as it is configured, with a token if agents need one.
fn own_url(settings: &crate::serve::ServerConfig, in_force: Option<String>) -> anyhow::Result<CapabilityUrl> {
    let origin = in_force
        .or_else(|| settings.origin.clone())
        .or_else(|| settings.likely_origin())
        .context("which URL? The configuration names no origin (--origin, listen.origin) and no port")?;
    let token = settings.subscribe_tokens.as_ref().map(TokenSource::first).transpose()?;
    let path = token.map(|token| format!("/t/{token}/")).unwrap_or_default();
    Ok(CapabilityUrl::parse(&format!("{origin}{path}"))?)
}

/// The keys of a data folder that may be read.
fn keyring(folder: &Path) -> Option<webpush_core::capability::Keyring> {
    folder.join(keys_file::FILE_NAME).exists().then(|| keys_file::load_or_create(folder, true).ok()).flatten()
}

async fn metrics(line: &ArgMatches) -> anyhow::Result<String> {
    let answer = AdminClient::find(line)?.demand(Method::GET, "/metrics", Bytes::new()).await?;
    admin_client::text(answer).await
}
