//! `trace`: shows the trace of a message.

use crate::cli::admin_client::{self, AdminAt, AdminClient};
use crate::cli::render::table::is_log_id;
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use anyhow::Context as _;
use bytes::Bytes;
use clap::ArgMatches;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// Polling interval of --wait.
const PAUSE: Duration = Duration::from_millis(250);

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Show the message whose URL the sender received as Location:
      webpush-server trace https://push.example/message/…

  Follow it to its end:
      webpush-server trace --wait https://push.example/message/…

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  the message was found
    1  the message is unknown, or the server cannot be reached
    2  invalid command line";

/// Show the trace of a message
///
/// Prints when the message was accepted, stored, delivered and acknowledged, or why it is waiting. Asks the running
/// server over its admin listener; traces are kept for some minutes (--trace-keep). Agents and messages are shown by
/// their log IDs.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct TraceCommandArgs {
    /// URL of the message, its autopush version, or its log ID
    #[arg(value_name = "URL")]
    message: String,

    #[command(flatten)]
    at: AdminAt,

    /// Follow the message to its end
    #[arg(long)]
    wait: bool,

    /// Print JSON; with --wait, a line for each change
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &TraceCommandArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| follow(args, client))
}

async fn follow(args: &TraceCommandArgs, client: AdminClient) -> anyhow::Result<()> {
    let mut printer = Printer { json: args.json, last: Value::Null, steps: 0 };
    loop {
        let found = ask(&client, &args.message).await?;
        let is_over = found["final"].as_bool().unwrap_or(true);
        printer.show(found, is_over || !args.wait)?;
        if is_over || !args.wait {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(client: &AdminClient, message: &str) -> anyhow::Result<Value> {
    let answer = if is_log_id(message) {
        client.demand(Method::GET, &format!("/admin/messages/{message}"), Bytes::new()).await?
    } else {
        client.demand(Method::POST, "/admin/trace", Bytes::from(message.to_owned())).await?
    };
    serde_json::from_str(&admin_client::text(answer).await?).context("the server sent an invalid answer")
}

/// Prints what has changed.
struct Printer {
    json: bool,
    last: Value,
    steps: usize,
}

impl Printer {
    fn show(&mut self, found: Value, is_last: bool) -> anyhow::Result<()> {
        if self.json {
            if found != self.last {
                terminal::json(&found)?;
            }
        } else {
            self.lines(&found, is_last)?;
        }
        self.last = found;
        Ok(())
    }

    fn lines(&mut self, found: &Value, is_last: bool) -> anyhow::Result<()> {
        let text = |name: &str| found[name].as_str().unwrap_or_default();
        if self.last.is_null() {
            let (message, agent) = (text("message"), text("agent"));
            let (protocol, urgency) = (text("protocol"), text("urgency"));
            terminal::line(&format!("message {message} to agent {agent} ({protocol}, urgency {urgency})"))?;
        }
        let steps = found["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        for at in self.steps..steps.len() {
            terminal::line(&step(&steps[at], at.checked_sub(1).map(|before| &steps[before])))?;
        }
        self.steps = steps.len();
        let changed = found["state"] != self.last["state"] || found["reason"] != self.last["reason"];
        if changed || (is_last && self.last.is_null()) {
            let why = found["reason"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
            terminal::line(&format!("{}{why}", text("state")))?;
        }
        Ok(())
    }
}

/// Renders a step: its time, the time since acceptance, and since the step before.
fn step(step: &Value, before: Option<&Value>) -> String {
    let ms = |step: &Value| step["ms"].as_f64().unwrap_or_default();
    let (at, name) = (step["at"].as_str().unwrap_or_default(), step["step"].as_str().unwrap_or_default());
    let delta = before.map(|before| format!("  +{:.3} ms", ms(step) - ms(before))).unwrap_or_default();
    format!("  {at}  {name:<12} {:>10.3} ms{delta}", ms(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_step_shows_its_time_and_duration() {
        let accepted = json!({"step": "accepted", "at": "2026-01-01T00:00:00.000Z", "ms": 0.0});
        let stored = json!({"step": "stored", "at": "2026-01-01T00:00:00.001Z", "ms": 1.25});
        assert_eq!(step(&accepted, None), "  2026-01-01T00:00:00.000Z  accepted          0.000 ms");
        assert_eq!(
            step(&stored, Some(&accepted)),
            "  2026-01-01T00:00:00.001Z  stored            1.250 ms  +1.250 ms"
        );
    }
}
