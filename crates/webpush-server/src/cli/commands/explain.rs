//! `explain`: checks an `Authorization` header of a sender, claim by claim (RFC 8292).

use crate::cli::exit::{Exit, Failure, report};
use crate::cli::render::terminal;
use anyhow::Context as _;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;
use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use webpush_client::url::CapabilityUrl;
use webpush_core::encoding::CRYPTO_KEY;
use webpush_core::problem::Problem;
use webpush_core::sender::{
    ClaimCheck, Credentials, Expected, VAPID_LEEWAY, check_restriction, examine, parse_key,
};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;
use webpush_http::problem;
use webpush_service::p256::P256;
use webpush_service::system;

/// Maximum input size: no service accepts a header this long.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Find out why a push service returns 401 or 403:
      webpush-server explain 'vapid t=eyJ0…, k=BNbN…' --endpoint https://push.example/push/…

  The same for a subscription that is restricted to a key, as those of browsers are:
      webpush-server explain 'Authorization: vapid t=eyJ0…, k=BNbN…' \\
          --endpoint https://push.example/push/… --key BNbN…

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  a server would accept the message
    1  local failure
    2  invalid command line
    3  a server would refuse the message, or this is not a VAPID header";

/// Check a VAPID header claim by claim (RFC 8292)
///
/// Makes the same checks as the server, and sends nothing.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ExplainArgs {
    /// The Authorization header, with or without its name, or - for standard input
    #[arg(value_name = "HEADER")]
    pub header: String,

    /// URL that the message is sent to; only its origin matters
    #[arg(long, value_name = "URL", value_parser = CapabilityUrl::parse)]
    pub endpoint: CapabilityUrl,

    /// The Crypto-Key header, which held the key before the RFC
    #[arg(long, value_name = "VALUE")]
    pub crypto_key: Option<String>,

    /// Public key that the subscription is restricted to (applicationServerKey)
    #[arg(long, value_name = "PUBLIC_KEY", value_parser = sender_key)]
    pub key: Option<SenderKey>,

    /// Time of the check as a Unix timestamp [default: now]
    #[arg(long, value_name = "UNIX")]
    pub now: Option<u64>,

    /// Print JSON: {"pass":…,"findings":[…],"status":…,"detail":…}
    ///
    /// A finding is {"claim":…,"holds":…,"expected":…,"found":…}.
    #[arg(long)]
    pub json: bool,
}

/// The result.
#[derive(Debug, Serialize)]
struct Explanation {
    pass: bool,
    findings: Vec<Row>,
    /// The status code that a server returns if it refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Row {
    claim: &'static str,
    holds: bool,
    expected: String,
    found: String,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &ExplainArgs) -> ExitCode {
    report(explain(args))
}

fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let explanation = explanation(args, &headers(args).map_err(Failure::Local)?);
    if args.json { terminal::json(&explanation) } else { print(&explanation) }.map_err(Failure::Output)?;
    Ok(if explanation.pass { Exit::Success } else { Exit::Refused })
}

fn sender_key(text: &str) -> Result<SenderKey, String> {
    parse_key(text, &P256).map_err(|fault| format!("not a VAPID public key: {}", fault.as_str()))
}

fn headers(args: &ExplainArgs) -> anyhow::Result<HeaderMap> {
    let header = match args.header.as_str() {
        "-" => {
            let mut text = String::new();
            let read = io::stdin().lock().take(MAX_INPUT_BYTES).read_to_string(&mut text);
            read.context("cannot read standard input")?;
            text
        }
        text => text.to_owned(),
    };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value(&header, &AUTHORIZATION)?);
    if let Some(text) = &args.crypto_key {
        headers.insert(CRYPTO_KEY, value(text, &CRYPTO_KEY)?);
    }
    Ok(headers)
}

/// The value in `Name: value`, or in a value alone.
fn value(text: &str, name: &HeaderName) -> anyhow::Result<HeaderValue> {
    let text = text.trim();
    let value = match text.split_once(':') {
        Some((before, value)) if before.trim().eq_ignore_ascii_case(name.as_str()) => value.trim(),
        _ => text,
    };
    let value = HeaderValue::from_str(value);
    value
        .with_context(|| format!("the {name} header has a line break or another character that HTTP forbids"))
}

fn explanation(args: &ExplainArgs, headers: &HeaderMap) -> Explanation {
    let origin = args.endpoint.origin();
    let now =
        args.now.map_or_else(|| system::env().now(), |now| Timestamp::from_millis(now.saturating_mul(1000)));
    let credentials = match Credentials::parse(headers) {
        Ok(Some(credentials)) => credentials,
        Ok(None) if args.key.is_some() => return refused(Vec::new(), Problem::VapidRequired),
        Ok(None) => {
            let detail = not_vapid(headers).to_owned();
            return Explanation { pass: false, findings: Vec::new(), status: None, detail };
        }
        Err(finding) => return refused(vec![finding.clone()], finding.into()),
    };
    let expected =
        Expected { audience: &origin, also: &[], google_as_well: false, now, leeway: VAPID_LEEWAY };
    let mut examination = examine(&credentials, expected, &P256);
    if let (Some(restricted_to), Ok(key)) = (&args.key, parse_key(credentials.key(), &P256)) {
        examination.checks.push(check_restriction(&key, restricted_to));
    }
    if let Some(failing) = examination.checks.iter().find(|finding| !finding.passed) {
        let problem = failing.clone().into();
        return refused(examination.checks, problem);
    }
    let until = examination.sender.map(|sender| sender.expires().rfc3339()).unwrap_or_default();
    let detail = format!("a server at {origin} accepts this until {until}");
    Explanation { pass: true, findings: rows(examination.checks), status: None, detail }
}

/// Returns what is missing in a header that a server ignores.
fn not_vapid(headers: &HeaderMap) -> &'static str {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = value.split([',', ' ']).next().unwrap_or_default();
    if first.starts_with("t=") || first.starts_with("k=") {
        return "the scheme is missing: expected 'vapid t=…, k=…', found its parameters only";
    }
    if first == value && value.split('.').count() == 3 {
        return "the scheme and the key are missing: expected 'vapid t=…, k=…', found a token only";
    }
    "not a VAPID header: expected 'vapid t=…, k=…' or 'WebPush …'"
}

/// Returns the answer of a server that refuses.
fn refused(findings: Vec<ClaimCheck>, problem: Problem) -> Explanation {
    let (status, detail) = problem::HttpError::from(problem).kind().status_and_detail();
    Explanation { pass: false, findings: rows(findings), status: Some(status.as_u16()), detail }
}

fn rows(findings: Vec<ClaimCheck>) -> Vec<Row> {
    let row = |ClaimCheck { claim, passed, expected, found }| Row {
        claim: claim.as_str(),
        holds: passed,
        expected: expected.into_owned(),
        found: found.into_owned(),
    };
    findings.into_iter().map(row).collect()
}

/// Prints a mark for each claim, then the result. Only a terminal gets characters beyond ASCII.
fn print(explanation: &Explanation) -> io::Result<()> {
    let (yes, no) = if io::stdout().is_terminal() { ("✓", "✗") } else { ("ok  ", "FAIL") };
    for Row { claim, holds, expected, found } in &explanation.findings {
        let mark = if *holds { yes } else { no };
        let expected = if *holds { String::new() } else { format!("expected {expected}, found ") };
        terminal::line(&format!("{mark} {claim:<13} {expected}{found}"))?;
    }
    let Explanation { status, detail, .. } = explanation;
    match status {
        Some(status) => terminal::line(&format!("refused with {status}: {detail}")),
        None if explanation.pass => terminal::line(&format!("pass: {detail}")),
        None => terminal::line(&format!("error: {detail}")),
    }
}

#[cfg(test)]
mod tests;
