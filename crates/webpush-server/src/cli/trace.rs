//! `webpush-server trace`: where a message is, or how it ended.

use super::admin_client::{self, AdminAt, AdminClient};
use super::{asking, terminal};
use anyhow::Context as _;
use bytes::Bytes;
use clap::ArgMatches;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// From one look to the next, with --wait.
const PAUSE: Duration = Duration::from_millis(250);

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Where is the message whose URL the sender got as Location?
      webpush-server trace https://push.example/message/…

  Follow it until it has ended:
      webpush-server trace --wait https://push.example/message/…

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  the message was found, wherever it is
    1  nothing is known of it, or the service can't be asked
    2  a mistake in the command line";

/// Say where one message is: when it was accepted, stored, told to a session, written and acknowledged, or why not
///
/// The running service is asked, over its admin listener; it knows the messages of the last minutes (--trace-keep).
/// Ids are shown as the hashes by which the log names them.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct TraceArgs {
    /// The URL of the message, the version by which an autopush agent knows it, or a name that this verb has shown
    #[arg(value_name = "URL")]
    message: String,

    #[command(flatten)]
    at: AdminAt,

    /// Follow it until it has ended
    #[arg(long)]
    wait: bool,

    /// Print what the service says, as JSON: one line, with --wait one for each change
    #[arg(long)]
    json: bool,
}

/// Asks once, or until the message has ended.
#[must_use]
pub fn run(args: &TraceArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| follow(args, client))
}

async fn follow(args: &TraceArgs, client: AdminClient) -> anyhow::Result<()> {
    let mut printer = Printer { json: args.json, last: Value::Null, steps: 0 };
    loop {
        let found = ask(&client, &args.message).await?;
        let is_over = found["over"].as_bool().unwrap_or(true);
        printer.show(found, is_over || !args.wait)?;
        if is_over || !args.wait {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(client: &AdminClient, message: &str) -> anyhow::Result<Value> {
    let is_name = message.len() == 16 && message.bytes().all(|byte| byte.is_ascii_hexdigit());
    let answer = if is_name {
        client.demand(Method::GET, &format!("/admin/messages/{message}"), Bytes::new()).await?
    } else {
        client.demand(Method::POST, "/admin/trace", Bytes::from(message.to_owned())).await?
    };
    serde_json::from_str(&admin_client::text(answer).await?).context("the answer can't be read")
}

/// Shows what is new.
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
        let changed = found["state"] != self.last["state"] || found["why"] != self.last["why"];
        if changed || (is_last && self.last.is_null()) {
            let why = found["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
            terminal::line(&format!("{}{why}", text("state")))?;
        }
        Ok(())
    }
}

/// When it was, how long after the acceptance, and how long after the step before.
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
    fn a_step_says_when_and_how_long_it_took() {
        let accepted = json!({"step": "accepted", "at": "2026-01-01T00:00:00.000Z", "ms": 0.0});
        let stored = json!({"step": "stored", "at": "2026-01-01T00:00:00.001Z", "ms": 1.25});
        assert_eq!(step(&accepted, None), "  2026-01-01T00:00:00.000Z  accepted          0.000 ms");
        assert_eq!(
            step(&stored, Some(&accepted)),
            "  2026-01-01T00:00:00.001Z  stored            1.250 ms  +1.250 ms"
        );
    }
}
