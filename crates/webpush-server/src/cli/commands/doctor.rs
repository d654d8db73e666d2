//! `doctor`: diagnoses a server as its agents and senders see it.

use super::serve;
use crate::cli::admin_client::{self, AdminAt, AdminClient};
use crate::cli::args::values::parse_time;
use crate::cli::exit::print_error;
use crate::cli::render::terminal;
use crate::cli::runtime::block_on;
use crate::dev_tls;
use crate::doctor::check_result::{CheckResult, CheckStatus};
use crate::doctor::{Diagnosis, machine};
use anyhow::Context as _;
use bytes::Bytes;
use clap::{ArgMatches, ValueHint};
use http::Method;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use webpush_admin::sealing_keys;
use webpush_client::connection::Connector;
use webpush_client::url::CapabilityUrl;
use webpush_config::error::ConfigError;
use webpush_config::source::Source;
use webpush_service::bearer_tokens::TokenSource;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  On the machine of the server, through the name that agents use:
      webpush-server doctor

  From elsewhere:
      webpush-server doctor https://push.example.net

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  no problem found
    1  a check failed; the output says what to change
    2  invalid command line or configuration";

/// Diagnose a server as its clients see it
///
/// Checks the name and its addresses, the certificate, HTTP/1.1 and HTTP/2 through any reverse proxy, server push, the
/// WebSocket, a message from end to end, the origin, an idle connection and the clock; without a URL also the data
/// directory, the disk and the file descriptor limit. Takes about a minute, because of the idle connection.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct DoctorArgs {
    /// URL that agents use [default: the configured origin, and also check this machine]
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,

    /// How long to leave a WebSocket idle; many proxies close it after a minute; 0 skips the check
    #[arg(long, alias = "silence", value_name = "TIME", value_parser = parse_time, default_value = "65s")]
    idle: Duration,

    /// PEM file of additional CA certificates to trust for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    at: AdminAt,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &DoctorArgs, line: &ArgMatches) -> ExitCode {
    let resolved = match serve::layers(line).resolve() {
        Ok(resolved) => resolved,
        Err(faults) => {
            faults.iter().map(ConfigError::to_string).for_each(|fault| terminal::error(&fault));
            return ExitCode::from(serve::INVALID_CONFIGURATION);
        }
    };
    // With a URL, a data directory that is only here by default may be that of another server.
    let is_named = args.url.is_none() || resolved.source("storage.data_dir") != Source::Default;
    let examined =
        serve::settings(&resolved).and_then(|settings| block_on(examine(args, line, &settings, is_named)));
    match examined {
        Ok(worst) if worst < CheckStatus::Bad => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            print_error(&error);
            ExitCode::from(serve::INVALID_CONFIGURATION)
        }
    }
}

/// Runs all checks, and returns the worst result.
async fn examine(
    args: &DoctorArgs,
    line: &ArgMatches,
    settings: &crate::server_config::ServerConfig,
    has_data_dir: bool,
) -> anyhow::Result<CheckStatus> {
    let url = match &args.url {
        Some(url) => CapabilityUrl::parse(url)?,
        None => own_url(settings, effective_origin(line).await)?,
    };
    let ca_file = args.ca_file.clone().or_else(|| dev_ca(args, &settings.data_dir, &url));
    let mut worst = CheckStatus::Good;
    let mut report = |result: CheckResult| {
        worst = worst.max(result.verdict);
        // A reader that closes the pipe has seen enough.
        let _ = if args.json { terminal::json(&result) } else { terminal::line(&result.to_string()) };
    };
    if args.url.is_none() {
        report(machine::directory(&settings.data_dir, settings.store.is_none()));
        report(machine::disk(&settings.data_dir));
        let metrics = metrics(line).await;
        if let Some(config) = &settings.store {
            report(machine::database(config, metrics.as_deref().ok()));
            report(machine::durability(config).await);
        }
        match metrics {
            Ok(metrics) => {
                report(match settings.store {
                    None => machine::store(&metrics),
                    Some(_) => machine::settings(&metrics),
                });
                report(machine::descriptors(&metrics));
            }
            Err(error) => report(machine::without_metrics(&error)),
        }
    }
    if !args.json && !args.idle.is_zero() {
        terminal::note(&format!(
            "the last check takes {} s: it leaves a WebSocket idle",
            args.idle.as_secs()
        ));
    }
    let diagnosis = Diagnosis {
        url,
        connector: Connector::new(ca_file),
        keyring: has_data_dir.then(|| keyring(&settings.data_dir)).flatten(),
        idle: args.idle,
    };
    diagnosis.run(report).await;
    Ok(worst)
}

/// Returns the CA of the own server if it runs with `--dev-tls`, as far as its origin shows.
fn dev_ca(args: &DoctorArgs, data_dir: &Path, url: &CapabilityUrl) -> Option<PathBuf> {
    let is_local = args.url.is_none() && url.is_https() && dev_tls::NAMES.contains(&url.host());
    Some(dev_tls::ca_file(data_dir)).filter(|file| is_local && file.exists())
}

/// Returns the effective origin of the running server, which flags may have set.
async fn effective_origin(line: &ArgMatches) -> Option<String> {
    let client = AdminClient::find(line).ok()?;
    let status = client.demand_json(Method::GET, "/admin/status", Bytes::new()).await.ok()?;
    status["origin"].as_str().map(str::to_owned)
}

/// Returns the effective or configured origin, with a token if agents need one.
fn own_url(
    settings: &crate::server_config::ServerConfig,
    effective: Option<String>,
) -> anyhow::Result<CapabilityUrl> {
    let origin = effective
        .or_else(|| settings.origin.clone())
        .or_else(|| settings.likely_origin())
        .context("missing argument: URL (the configuration has no origin: --origin, listen.origin)")?;
    let token = settings.subscribe_tokens.as_ref().map(TokenSource::read_first).transpose()?;
    let path = token.map(|token| format!("/t/{token}/")).unwrap_or_default();
    Ok(CapabilityUrl::parse(&format!("{origin}{path}"))?)
}

/// Returns the keys of a data directory that can be read.
fn keyring(directory: &Path) -> Option<webpush_core::capability::Keyring> {
    let file = directory.join(sealing_keys::FILE_NAME);
    file.exists().then(|| sealing_keys::load(directory).ok()).flatten()
}

async fn metrics(line: &ArgMatches) -> anyhow::Result<String> {
    let answer = AdminClient::find(line)?.demand(Method::GET, "/metrics", Bytes::new()).await?;
    admin_client::text(answer).await
}
