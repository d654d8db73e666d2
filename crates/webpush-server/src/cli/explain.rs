//! `explain`: what a push service says to an `Authorization` header, claim by claim (RFC 8292).

use super::exit::{Exit, Failure, report};
use super::terminal;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;
use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use webpush_client::clock;
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;
use webpush_core::encoding::CRYPTO_KEY;
use webpush_core::problem::Problem;
use webpush_core::sender::{Credentials, Expected, Finding, examine, parse_key, restriction};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;
use webpush_http::problem;
use webpush_service::vapid::P256;

/// No service takes a header of this size.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Find out why a push service answers 401 or 403:
      webpush-server explain 'vapid t=eyJ0…, k=BNbN…' --endpoint https://push.example/push/…

  The same for a subscription that is restricted to a key, as browsers make them:
      webpush-server explain 'Authorization: vapid t=eyJ0…, k=BNbN…' \\
          --endpoint https://push.example/push/… --key BNbN…

\x1b[1m\x1b[4mExit status:\x1b[0m
    0  the message would be taken
    1  a fault on this machine
    2  a mistake in the command line
    3  the message would be refused";

/// Explain what a push service says to a VAPID header (RFC 8292), claim by claim
///
/// Nothing is sent anywhere: this is the examination that this server makes itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct ExplainArgs {
    /// The Authorization header, with or without its name; - reads standard input
    #[arg(value_name = "HEADER")]
    pub header: String,

    /// Where the message goes; only the origin counts
    #[arg(long, value_name = "URL", value_parser = CapabilityUrl::parse)]
    pub endpoint: CapabilityUrl,

    /// The Crypto-Key header, where senders before the RFC had the key
    #[arg(long, value_name = "VALUE")]
    pub crypto_key: Option<String>,

    /// The public key that the subscription is restricted to (the page's applicationServerKey)
    #[arg(long, value_name = "PUBLIC_KEY", value_parser = sender_key)]
    pub key: Option<SenderKey>,

    /// The time to accept at, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX")]
    pub now: Option<u64>,

    /// Print JSON: {"pass":…,"findings":[{"claim":…,"holds":…,"expected":…,"found":…}],"status":…,"detail":…}
    #[arg(long)]
    pub json: bool,
}

/// What there is to say.
#[derive(Debug, Serialize)]
struct Explanation {
    pass: bool,
    findings: Vec<Row>,
    /// The answer that a server gives, if it refuses.
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

/// Runs the verb.
#[must_use]
pub fn run(args: &ExplainArgs) -> ExitCode {
    report(explain(args))
}

fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let explanation = explanation(args, &headers(args)?);
    if args.json { terminal::json(&explanation) } else { print(&explanation) }.map_err(Failure::Output)?;
    Ok(if explanation.pass { Exit::Success } else { Exit::Refused })
}

fn sender_key(text: &str) -> Result<SenderKey, String> {
    parse_key(text, &P256).map_err(|fault| format!("this is no VAPID public key but {}", fault.as_str()))
}

fn headers(args: &ExplainArgs) -> Result<HeaderMap, ClientError> {
    let header = match args.header.as_str() {
        "-" => {
            let mut text = String::new();
            let read = io::stdin().lock().take(MAX_INPUT_BYTES).read_to_string(&mut text);
            read.map_err(|error| ClientError::Local(format!("cannot read standard input: {error}")))?;
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
fn value(text: &str, name: &HeaderName) -> Result<HeaderValue, ClientError> {
    let text = text.trim();
    let value = match text.split_once(':') {
        Some((before, value)) if before.trim().eq_ignore_ascii_case(name.as_str()) => value.trim(),
        _ => text,
    };
    HeaderValue::from_str(value).map_err(|_| {
        ClientError::Local(format!(
            "the {name} header has a line break or another character that HTTP forbids"
        ))
    })
}

fn explanation(args: &ExplainArgs, headers: &HeaderMap) -> Explanation {
    let origin = args.endpoint.origin();
    let now = args.now.map_or_else(clock::now, |now| Timestamp::from_millis(now.saturating_mul(1000)));
    let credentials = match Credentials::parse(headers) {
        Ok(Some(credentials)) => credentials,
        Ok(None) if args.key.is_some() => return refused(Vec::new(), Problem::VapidRequired),
        Ok(None) => {
            let detail =
                "This is no VAPID header. A subscription that is not restricted to a key takes the message \
                          all the same; one that is answers 401 (see --key)."
                    .to_owned();
            return Explanation { pass: true, findings: Vec::new(), status: None, detail };
        }
        Err(finding) => return refused(vec![finding.clone()], finding.into()),
    };
    let mut examination = examine(&credentials, Expected { audience: &origin, now }, &P256);
    if let (Some(restricted_to), Ok(key)) = (&args.key, parse_key(credentials.key(), &P256)) {
        examination.findings.push(restriction(&key, restricted_to));
    }
    if let Some(failing) = examination.findings.iter().find(|finding| !finding.holds) {
        let problem = failing.clone().into();
        return refused(examination.findings, problem);
    }
    let until = examination.sender.map(|sender| clock::rfc3339(sender.expires())).unwrap_or_default();
    let detail = format!("A server at {origin} takes this until {until}.");
    Explanation { pass: true, findings: rows(examination.findings), status: None, detail }
}

/// The server's own words for it.
fn refused(findings: Vec<Finding>, problem: Problem) -> Explanation {
    let (status, detail) = problem::RequestError::from(problem).kind().status_and_detail();
    Explanation { pass: false, findings: rows(findings), status: Some(status.as_u16()), detail }
}

fn rows(findings: Vec<Finding>) -> Vec<Row> {
    let row = |Finding { claim, holds, expected, found }| Row {
        claim: claim.as_str(),
        holds,
        expected: expected.into_owned(),
        found: found.into_owned(),
    };
    findings.into_iter().map(row).collect()
}

/// For people: a mark for each claim, then what it comes to. Off a terminal it is all ASCII.
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
        None => terminal::line(&format!("pass: {detail}")),
    }
}

#[cfg(test)]
mod tests;
