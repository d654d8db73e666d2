//! `send`: an application server on the command line.

use crate::cli::args::values::parse_time;
use crate::cli::exit::{self, Exit, Failure};
use crate::cli::render::terminal;
use anyhow::Context as _;
use clap::ValueHint;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_client::connection::Connector;
use webpush_client::private_file;
use webpush_client::send::{SendOptions, SendResponse, Sender, send};
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;
use webpush_client::vapid::VapidKey;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_service::system;

/// Maximum input size.
const MAX_INPUT_BYTES: u64 = 16 * 1024 * 1024;
const STDIN: &str = "-";

const EXAMPLES: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Send to a browser, or to 'webpush-server listen > subscription.json':
      webpush-server send subscription.json 'Dinner is ready'

  Send the output of a program, signed with a VAPID key, and replace the message before:
      uptime | webpush-server send subscription.json - --topic uptime \\
          --vapid-key vapid.pem --vapid-subject mailto:me@example.com

  Withdraw an undelivered message:
      curl -X DELETE \"$(webpush-server send subscription.json 'Never mind')\"

";

/// Encrypt and send a message
///
/// Prints the URL of the message after the push service has accepted it; it may not be delivered yet. With --receipt, a
/// second line has the URL of the receipt subscription.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}{}", exit::TABLE))]
pub(crate) struct SendArgs {
    /// File with the subscription, its JSON itself, or - for standard input
    ///
    /// The JSON is JSON.stringify(pushSubscription) of a browser, the first line that listen prints, or its state file. Only the
    /// first JSON value is read.
    #[arg(value_name = "SUBSCRIPTION", value_hint = ValueHint::FilePath)]
    pub subscription: String,

    /// The text (at most 3993 bytes), or - for standard input
    #[arg(value_name = "TEXT")]
    pub text: String,

    /// How long to keep the message for an offline recipient, such as 7d; 0: deliver now or discard
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = ttl)]
    pub ttl: u32,

    /// Urgency, by which devices that save power filter messages [default: normal]
    #[arg(long, value_name = "URGENCY", value_parser = urgency())]
    pub urgency: Option<Urgency>,

    /// Replace the undelivered message with this topic: 1 to 32 of A-Z a-z 0-9 - _
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub topic: Option<Topic>,

    /// VAPID private key of the sender: PEM, or JSON as printed by keys --json
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vapid_key: Option<PathBuf>,

    /// Contact of the sender: a mailto: or https: URL
    #[arg(long, value_name = "URL", value_parser = subject, requires = "vapid_key")]
    pub vapid_subject: Option<String>,

    /// Request a delivery receipt
    #[arg(long)]
    pub receipt: bool,

    /// Print JSON: {"status":…,"message":…,"receipt":…,"ttl":…}
    #[arg(long)]
    pub json: bool,

    /// PEM file of additional CA certificates to trust for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct SendOutput {
    status: u16,
    message: Option<String>,
    receipt: Option<String>,
    ttl: Option<u64>,
}

fn urgency() -> impl TypedValueParser<Value = Urgency> {
    let words = Urgency::ALL.map(Urgency::as_str);
    PossibleValuesParser::new(words)
        .try_map(|word| Urgency::parse(word.as_bytes()).ok_or("not an urgency (RFC 8030 §5.3)"))
}

fn ttl(text: &str) -> Result<u32, String> {
    let seconds = parse_time(text)?.as_secs();
    u32::try_from(seconds).map_err(|_| format!("'{text}' is too long"))
}

fn topic(text: &str) -> Result<Topic, &'static str> {
    Topic::parse(text.as_bytes()).ok_or("expected 1 to 32 characters of A-Z a-z 0-9 - _ (RFC 8030 §5.4)")
}

fn subject(text: &str) -> Result<String, &'static str> {
    if text.starts_with("mailto:") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err("expected a mailto: or https: URL (RFC 8292 §2.1)")
    }
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &SendArgs) -> ExitCode {
    exit::run(send_one(args))
}

async fn send_one(args: &SendArgs) -> Result<Exit, Failure> {
    if args.subscription == STDIN && args.text == STDIN {
        return Err(local("only one of SUBSCRIPTION and TEXT can be - (standard input)"));
    }
    let subscription = PushSubscription::read(&subscription_text(&args.subscription)?)?;
    let text = if args.text == STDIN { read_stdin()? } else { args.text.clone().into_bytes() };
    let options = SendOptions {
        ttl_seconds: args.ttl,
        urgency: args.urgency,
        topic: args.topic,
        receipt: args.receipt,
    };
    let sender = match &args.vapid_key {
        Some(path) => Some(Sender {
            key: VapidKey::read(&private_file::read(path)?)
                .map_err(|error| Failure::Explained(path.display().to_string(), error.into()))?,
            subject: args.vapid_subject.clone(),
        }),
        None => None,
    };
    let connector = Connector::new(args.ca_file.clone());
    let accepted =
        send(&connector, &subscription, &text, &options, sender.as_ref(), system::env().now()).await?;
    print(args, &accepted).map_err(Failure::Output)?;
    remark(args, &accepted);
    Ok(Exit::Success)
}

fn subscription_text(file: &str) -> Result<String, Failure> {
    if file.trim_start().starts_with('{') {
        return Ok(file.to_owned());
    }
    if file != STDIN {
        return Ok(private_file::read(file.as_ref())?);
    }
    String::from_utf8(read_stdin()?).map_err(|_| local("the subscription on standard input is not UTF-8"))
}

fn local(message: &'static str) -> Failure {
    Failure::Local(anyhow::Error::msg(message))
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")
        .map_err(Failure::Local)?;
    Ok(bytes)
}

fn print(args: &SendArgs, accepted: &SendResponse) -> io::Result<()> {
    let message = accepted.message.as_ref().map(CapabilityUrl::expose);
    let receipt = accepted.receipt.as_ref().map(CapabilityUrl::expose);
    if args.json {
        let status = accepted.status.as_u16();
        return terminal::json(&SendOutput { status, message, receipt, ttl: accepted.ttl_seconds });
    }
    message.iter().chain(receipt.iter().filter(|_| args.receipt)).try_for_each(|url| terminal::line(url))
}

/// Reports what the service does differently from the request.
fn remark(args: &SendArgs, accepted: &SendResponse) {
    if accepted.message.is_none() {
        terminal::note("the service accepted the message, but gave no URL for it");
    }
    if args.receipt && accepted.receipt.is_none() {
        terminal::warning("the service does not support receipts");
    }
    if let Some(granted) = accepted.ttl_seconds.filter(|granted| *granted < u64::from(args.ttl)) {
        terminal::note(&format!("the service keeps the message for {granted} s instead of {} s", args.ttl));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SendArgs,
    }

    fn parse(words: &[&str]) -> Result<SendArgs, String> {
        Command::try_parse_from([&["send"], words].concat())
            .map(|command| command.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn valid_arguments_are_parsed() {
        let args =
            parse(&["s.json", "--urgency", "very-low", "--topic=-a_", "--ttl", "0", "--", "-5 °C"]).unwrap();
        assert_eq!((args.text.as_str(), args.ttl, args.urgency), ("-5 °C", 0, Some(Urgency::VeryLow)));
        assert_eq!(args.topic, Topic::parse(b"-a_"));
        assert_eq!(parse(&["-", "x"]).unwrap().ttl, 86_400);
        assert_eq!(parse(&["-", "x", "--ttl", "7d"]).unwrap().ttl, 604_800);
        assert_eq!(subscription_text(" {\"endpoint\":1}").unwrap(), " {\"endpoint\":1}");
    }

    #[test]
    fn wrong_arguments_are_explained() {
        for (words, expected) in [
            (&["s.json"][..], "TEXT"),
            (&["s.json", "--urgent"], "--urgency"),
            (&["s.json", "x", "--ttl=-1"], "--ttl"),
            (&["s.json", "x", "--urgency", "highest"], "very-low, low, normal, high"),
            (&["s.json", "x", "--topic", "a b"], "1 to 32"),
            (&["s.json", "x", "--vapid-subject", "mailto:a@b"], "--vapid-key"),
            (&["s.json", "x", "--vapid-key", "k", "--vapid-subject", "a@b"], "mailto:"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
