//! `conform`: checks whether a push service conforms to the specifications of Web Push.

mod agent;
mod report_args;
mod sender;
mod trial;

use crate::cli::exit::print_error;
use crate::cli::render::terminal;
use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum, ValueHint};
use report_args::{ReportArgs, ReportFormat};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_client::connection::Connector;
use webpush_client::private_file;
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;
use webpush_client::vapid::VapidKey;
use webpush_conformance::HttpChoice;
use webpush_conformance::options::{Profile, Selection, ServiceOptions};
use webpush_conformance::requirement::Level;
use webpush_conformance::runner::{check_service, covered};
use webpush_core::time::Timestamp;
use webpush_service::system;

/// The exit status if there is nothing to report.
const NOT_CHECKED: u8 = 2;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Check a service:
      webpush-server conform https://push.example.net/

  Check one section, and print what passes as well:
      webpush-server conform http://127.0.0.1:8090/ --only R8030-5.4 --verbose

  Check a sender: a library, or an application server:
      webpush-server conform sender -- npm test

  Check a service whose subscriptions only browsers can make:
      webpush-server conform --subscription subscription.json --vapid-key vapid.pem

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  no MUST failed
    1  a MUST failed; with --strict also a SHOULD
    2  invalid command line, or the service cannot be reached";

/// Check whether a push service conforms to the RFCs
///
/// Uses public protocols only, with subscriptions of its own that it removes afterwards: RFC 8030, 8291 and 8292,
/// server-sent events, the WebSocket of Firefox, UnifiedPush and the legacy (2015) API, as far as the service offers
/// them. Sends a few hundred requests within about half a minute.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ConformArgs {
    #[command(subcommand)]
    of: Option<ClientKind>,

    /// URL of the push service, to which or below which (subscribe) user agents subscribe
    #[arg(value_name = "URL", value_hint = ValueHint::Url, required_unless_present_any = ["list", "subscription"])]
    url: Option<String>,

    /// Promises of the service [default: found out by asking]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<ProfileName>,

    /// Check only requirements whose IDs begin with one of these, such as R8030-5.4
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,

    /// Check only this level and those that bind more
    #[arg(long, value_name = "LEVEL")]
    level: Option<LevelName>,

    #[command(flatten)]
    report: ReportArgs,

    /// Print the requirements and their checks, and check nothing
    #[arg(long)]
    list: bool,

    /// File with a subscription (JSON.stringify(pushSubscription)); checks only the side of senders
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "url")]
    subscription: Option<PathBuf>,

    /// VAPID private key that the subscription is restricted to
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, alias = "vapid", conflicts_with = "url")]
    vapid_key: Option<PathBuf>,

    /// Token with which user agents may subscribe
    #[arg(long, value_name = "TOKEN")]
    subscribe_token: Option<String>,

    /// HTTP versions to use [default: those that the service offers]
    #[arg(long, value_name = "VERSION")]
    http_version: Option<HttpVersion>,

    /// HTTP proxy to connect through, such as http://proxy.example.net:3128
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    proxy: Option<String>,

    /// PEM file of additional CA certificates to trust for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
}

/// A client of push services, checked by a service that this program plays.
#[derive(Debug, Subcommand)]
enum ClientKind {
    Agent(agent::AgentArgs),
    Sender(sender::SenderArgs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileName {
    PushService,
    Autopush,
    #[value(name = "unifiedpush")]
    UnifiedPush,
    Vendor,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelName {
    Must,
    Should,
    May,
    Practice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HttpVersion {
    #[value(name = "1.1")]
    Http1,
    #[value(name = "2")]
    Http2,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &ConformArgs) -> ExitCode {
    let conforms = match &args.of {
        Some(ClientKind::Agent(args)) => agent::run(args),
        Some(ClientKind::Sender(args)) => sender::run(args),
        None => conform(args),
    };
    match conforms {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reader has what it wanted, as in `conform | head -1`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(NOT_CHECKED)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Returns true if the service conforms.
fn conform(args: &ConformArgs) -> anyhow::Result<bool> {
    let selection = Selection { only: args.only.clone(), level: args.level.map(LevelName::level) };
    if args.list {
        list(&selection)?;
        return Ok(true);
    }
    let options = options(args, selection)?;
    if args.report.format == ReportFormat::Text {
        terminal::note(&format!("checking {}", options.url.origin()));
    }
    let report = crate::cli::runtime::block_on(async {
        let interrupt = async {
            // Without a handler, Ctrl-C ends the program as usual.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        Ok(check_service(options, interrupt).await?)
    })?;
    terminal::line(args.report.render(&report)?.trim_end())?;
    args.report.conclude(&report)
}

fn list(selection: &Selection) -> io::Result<()> {
    covered(selection).iter().try_for_each(|one| {
        let requirement = one.requirement;
        terminal::line(&format!("{:<15} {:<8} {}", requirement.id, requirement.level, requirement.text))
    })
}

fn options(args: &ConformArgs, selection: Selection) -> anyhow::Result<ServiceOptions> {
    let subscription = match &args.subscription {
        Some(path) => Some(PushSubscription::read(&private_file::read(path)?)?),
        None => None,
    };
    let url = match (&subscription, &args.url) {
        (Some(subscription), _) => subscription.endpoint.clone(),
        // As Firefox writes it.
        (None, Some(url)) => {
            CapabilityUrl::parse(&url.replacen("ws", "http", usize::from(url.starts_with("ws"))))?
        }
        (None, None) => bail!("missing argument: URL"),
    };
    let sender = match &args.vapid_key {
        Some(path) => {
            Some(VapidKey::read(&private_file::read(path)?).with_context(|| path.display().to_string())?)
        }
        None => None,
    };
    let mut connector = Connector::new(args.ca_file.clone());
    if let Some(proxy) = &args.proxy {
        connector = connector.with_proxy(CapabilityUrl::parse(proxy).context("--proxy")?);
    }
    Ok(ServiceOptions {
        connector,
        http: args.http_version.map_or(HttpChoice::Any, HttpVersion::choice),
        profile: args.profile.map(ProfileName::profile),
        subscribe_token: args.subscribe_token.clone(),
        subscription,
        sender,
        selection,
        ..ServiceOptions::new(url, now)
    })
}

fn now() -> Timestamp {
    system::env().now()
}

impl ProfileName {
    const fn profile(self) -> Profile {
        match self {
            Self::PushService => Profile::PushService,
            Self::Autopush => Profile::Autopush,
            Self::UnifiedPush => Profile::UnifiedPush,
            Self::Vendor => Profile::Vendor,
        }
    }
}

impl LevelName {
    const fn level(self) -> Level {
        match self {
            Self::Must => Level::Must,
            Self::Should => Level::Should,
            Self::May => Level::May,
            Self::Practice => Level::Practice,
        }
    }
}

impl HttpVersion {
    const fn choice(self) -> HttpChoice {
        match self {
            Self::Http1 => HttpChoice::Http1,
            Self::Http2 => HttpChoice::Http2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ConformArgs,
    }

    fn parse(words: &[&str]) -> Result<ConformArgs, String> {
        Command::try_parse_from([&["conform"], words].concat())
            .map(|command| command.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn valid_arguments_are_parsed() {
        let args = parse(&["wss://push.example/", "--only", "R8030-5,H2", "--level", "must"]).unwrap();
        let selection = Selection { only: args.only.clone(), level: args.level.map(LevelName::level) };
        let options = options(&args, selection).unwrap();
        assert_eq!(options.url.expose(), "https://push.example/");
        assert_eq!(options.selection.only, ["R8030-5", "H2"]);
        assert!(parse(&["--list"]).unwrap().list);
    }

    #[test]
    fn wrong_arguments_are_explained() {
        for (words, expected) in [
            (&[][..], "URL"),
            (&["https://x/", "--profile", "mcs"], "unifiedpush"),
            (&["https://x/", "--subscription", "s.json"], "--subscription"),
            (&["https://x/", "--vapid-key", "key.pem"], "URL"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
