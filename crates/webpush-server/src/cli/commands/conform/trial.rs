//! Common parts of `conform sender` and `conform agent`: they run until their subject ends, and report.

use super::is_closed_pipe;
use super::report_args::ReportArgs;
use crate::cli::child::{self, CommandSignals};
use crate::cli::render::terminal;
use crate::log::{Filter, Format, Log, LogConfig};
use anyhow::Context as _;
use clap::ValueHint;
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Command;
use webpush_conformance::report::Report;

/// The default filter of the log.
const LOG_FILTER: &str = "warn";

#[derive(Debug, clap::Args)]
pub(super) struct TrialArgs {
    /// Name of the subject in the report, such as "web-push 3.6.7"
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Stop after this time
    #[arg(long = "for", value_name = "SECONDS", conflicts_with = "command")]
    seconds: Option<u64>,

    #[command(flatten)]
    report: ReportArgs,

    /// Write the report to FILE instead of standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Run a command, the subject, and stop with it
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs a trial and prints its report. Returns true if the subject conforms.
pub(super) fn run(
    args: &TrialArgs,
    trial: impl Future<Output = anyhow::Result<Report>>,
) -> anyhow::Result<bool> {
    let level: Filter = LOG_FILTER.parse().map_err(anyhow::Error::msg)?;
    let _log = Log::start(&LogConfig { level, format: Format::Text });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.context("cannot start the runtime")?.block_on(trial)?;
    let text = args.report.render(&report)?;
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => terminal::line(text.trim_end())?,
    }
    args.report.conclude(&report)
}

/// Runs the command if there is one, and returns its status.
///
/// Otherwise prints a line, and waits for the end.
pub(super) async fn wait(
    args: &TrialArgs,
    ready: &Value,
    variables: Vec<(&'static str, String)>,
) -> anyhow::Result<Option<ExitStatus>> {
    let mut signals = CommandSignals::catch().context("cannot install signal handlers")?;
    if let Some((program, arguments)) = args.command.split_first() {
        let mut command = Command::new(program);
        command.args(arguments).envs(variables);
        return child::run(command, &mut signals).await.map(Some);
    }
    let printed = terminal::line(&ready.to_string()).map_err(anyhow::Error::from);
    printed.or_else(|error| if is_closed_pipe(&error) { Ok(()) } else { Err(error) })?;
    let time = args.seconds.map(Duration::from_secs);
    tokio::select! {
        _ = signals.next() => {}
        () = tokio::time::sleep(time.unwrap_or_default()), if time.is_some() => {}
    }
    Ok(None)
}

/// Adds the status of the command to a report.
pub(super) fn add_status(report: &mut Report, ended: Option<ExitStatus>) {
    report.facts.extend(ended.map(|status| ("command".to_owned(), status.to_string())));
}
