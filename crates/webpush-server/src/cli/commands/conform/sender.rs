//! `conform sender`: a push service that judges the requests of a sender.

use super::trial::{self, TrialArgs};
use anyhow::bail;
use clap::ValueHint;
use std::path::PathBuf;
use webpush_conformance::report::Report;
use webpush_dev::conform::sender::{SenderTrial, SenderTrialConfig};

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Judge what a program sends. It finds subscriptions in WEBPUSH_CONFORM_SUBSCRIPTIONS and trusts the certificate:
      webpush-server conform sender -- node send.mjs

  Print subscriptions, judge what arrives for a minute, and write JUnit XML:
      webpush-server conform sender --for 60 --format junit --output report.xml

\x1b[1m\x1b[4mSubscriptions:\x1b[0m
  GET WEBPUSH_CONFORM_URL/subscriptions/NAME returns a new one. NAME is new, or the status that its endpoint returns:
  404, 410, 413, 429, 500 or 503. ?key=KEY restricts it to a VAPID key.

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  no MUST failed
    1  a MUST failed; with --strict also a SHOULD
    2  invalid command line, nothing was sent, or the command cannot be run";

/// Check whether a sender conforms to the RFCs: an application server, or its library
///
/// Plays a push service on this machine: gives out subscriptions, and judges each request to their endpoints by RFC
/// 8030, 8188, 8291 and 8292, and whether the sender obeys error responses. Ends with COMMAND, after --for, or with
/// Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct SenderArgs {
    /// Port without TLS, also of the API; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,

    /// Port with TLS; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    https_port: u16,

    /// Write the certificate of the authority to FILE instead of a temporary directory
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Give out http endpoints, for senders that do not trust the certificate
    #[arg(long)]
    plain_http: bool,

    #[command(flatten)]
    trial: TrialArgs,
}

/// Returns true if the sender conforms.
pub(super) fn run(args: &SenderArgs) -> anyhow::Result<bool> {
    trial::run(&args.trial, observe(args))
}

async fn observe(args: &SenderArgs) -> anyhow::Result<Report> {
    let service = SenderTrial::start(SenderTrialConfig {
        port: args.port,
        https_port: args.https_port,
        ca_file: args.ca_file.clone(),
        plain_http: args.plain_http,
    })
    .await?;
    let ready = service.ready()?;
    let ended = trial::wait(&args.trial, &ready, service.environment(&ready)).await?;
    if service.requests() == 0 {
        match ended {
            Some(status) => bail!("the command sent nothing ({status})"),
            None => bail!("nothing was sent"),
        }
    }
    let mut report = service.report(args.trial.name.as_deref());
    trial::add_status(&mut report, ended);
    Ok(report)
}
