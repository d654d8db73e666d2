//! `conform agent`: a push service that judges a user agent.

use super::trial::{self, TrialArgs};
use anyhow::bail;
use webpush_conformance::report::Report;
use webpush_dev::conform::agent::AgentTrial;

const HELP: &str = "\
\x1b[1m\x1b[4mExample:\x1b[0m
  Judge a user agent for a minute. The first line has the URLs, as WEBPUSH_CONFORM_WS and WEBPUSH_CONFORM_URL for a
  command:
      webpush-server conform agent --for 60

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  no MUST failed
    1  a MUST failed; with --strict also a SHOULD
    2  invalid command line, no user agent connected, or the command cannot be run";

/// Check whether a user agent conforms to the WebSocket protocol of Firefox, or to RFC 8030
///
/// Plays the push service on this machine: sends three messages without data to each new subscription, closes the
/// connections once they are acknowledged, and observes whether the user agent comes back.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct AgentArgs {
    /// Port of the WebSocket; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,

    /// Port of RFC 8030 (HTTP/2 and HTTP/1.1); 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    http_port: u16,

    #[command(flatten)]
    trial: TrialArgs,
}

/// Returns true if the user agent conforms.
pub(super) fn run(args: &AgentArgs) -> anyhow::Result<bool> {
    trial::run(&args.trial, observe(args))
}

async fn observe(args: &AgentArgs) -> anyhow::Result<Report> {
    let service = AgentTrial::start(args.port, args.http_port).await?;
    let ended = trial::wait(&args.trial, &service.ready(), service.environment()).await?;
    let Some(mut report) = service.report(args.trial.name.as_deref()) else {
        bail!("no user agent connected");
    };
    trial::add_status(&mut report, ended);
    Ok(report)
}
