//! `send`: an application server in one command.

use super::exit::{self, Exit, Failure};
use super::terminal;
use clap::ValueHint;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_client::connection::Connector;
use webpush_client::error::ClientError;
use webpush_client::private_file;
use webpush_client::send::{Accepted, Delivery, Sender, send};
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;
use webpush_client::vapid::VapidKey;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// More than this is not read to find out that it is too much.
const MAX_INPUT_BYTES: u64 = 16 * 1024 * 1024;
const STDIN: &str = "-";

const EXAMPLES: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Send to a browser, or to what 'webpush-server listen > subscription.json' waits for:
      webpush-server send subscription.json 'Dinner is ready'

  Send what a program says, identified by a VAPID key, and replace what was sent before:
      uptime | webpush-server send subscription.json - --topic uptime \\
          --vapid-key vapid.pem --vapid-subject mailto:me@example.com

  Withdraw a message that was not delivered yet:
      curl -X DELETE \"$(webpush-server send subscription.json 'Never mind')\"

";

/// Encrypt a text and send it to a push subscription
///
/// Prints the URL of the message when the push service has accepted it, which is not to say that it was
/// delivered. With --receipt a second line has the URL of the receipt subscription.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}{}", exit::TABLE))]
pub struct SendArgs {
    /// File with the subscription; - reads standard input
    ///
    /// What JSON.stringify makes of a browser's PushSubscription, what listen prints first, or a state file of
    /// listen. Only the first JSON value in it counts.
    #[arg(value_name = "SUBSCRIPTION", value_hint = ValueHint::FilePath)]
    pub subscription: String,

    /// The text, at most 3993 bytes; - reads standard input, byte for byte
    #[arg(value_name = "TEXT")]
    pub text: String,

    /// How long the message is worth keeping while its reader is away; 0 means now or never
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub ttl: u32,

    /// How much it matters to a device that saves power [default: normal]
    #[arg(long, value_name = "URGENCY", value_parser = urgency())]
    pub urgency: Option<Urgency>,

    /// Replace the undelivered message with the same topic: 1 to 32 of A-Z a-z 0-9 - _
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub topic: Option<Topic>,

    /// Identify the sender with this private key: PEM, or JSON as keys --json prints it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vapid_key: Option<PathBuf>,

    /// How to reach the sender's operator: a mailto: or https: URL
    #[arg(long, value_name = "URL", value_parser = subject, requires = "vapid_key")]
    pub vapid_subject: Option<String>,

    /// Ask for a receipt when the message is delivered
    #[arg(long)]
    pub receipt: bool,

    /// Print JSON: {"status":…,"message":…,"receipt":…,"ttl":…}
    #[arg(long)]
    pub json: bool,

    /// Also trust the authorities in this PEM file for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Printed {
    status: u16,
    message: Option<String>,
    receipt: Option<String>,
    ttl: Option<u64>,
}

fn urgency() -> impl TypedValueParser<Value = Urgency> {
    let words = Urgency::ALL.map(Urgency::as_str);
    PossibleValuesParser::new(words)
        .try_map(|word| Urgency::parse(word.as_bytes()).ok_or("no urgency of RFC 8030 §5.3"))
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

/// Runs the verb.
#[must_use]
pub fn run(args: &SendArgs) -> ExitCode {
    exit::run(send_one(args))
}

async fn send_one(args: &SendArgs) -> Result<Exit, Failure> {
    if args.subscription == STDIN && args.text == STDIN {
        let both =
            "standard input can be the subscription or the text, not both: give one of them as an argument";
        return Err(ClientError::Local(both.to_owned()).into());
    }
    let subscription = PushSubscription::read(&subscription_text(&args.subscription)?)?;
    let text = if args.text == STDIN { read_stdin()? } else { args.text.clone().into_bytes() };
    let delivery =
        Delivery { ttl_seconds: args.ttl, urgency: args.urgency, topic: args.topic, receipt: args.receipt };
    let sender = match &args.vapid_key {
        Some(path) => Some(Sender {
            key: VapidKey::read(&private_file::read(path)?)
                .map_err(|error| ClientError::Local(format!("{}: {error}", path.display())))?,
            subject: args.vapid_subject.clone(),
        }),
        None => None,
    };
    let connector = Connector::new(args.ca_file.clone());
    let accepted = send(&connector, &subscription, &text, &delivery, sender.as_ref()).await?;
    print(args, &accepted).map_err(Failure::Output)?;
    remark(args, &accepted);
    Ok(Exit::Success)
}

fn subscription_text(file: &str) -> Result<String, ClientError> {
    if file != STDIN {
        return private_file::read(file.as_ref());
    }
    String::from_utf8(read_stdin()?)
        .map_err(|_| ClientError::Local("the subscription on standard input is not UTF-8 text".to_owned()))
}

fn read_stdin() -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| ClientError::Local(format!("cannot read standard input: {error}")))?;
    Ok(bytes)
}

fn print(args: &SendArgs, accepted: &Accepted) -> io::Result<()> {
    let message = accepted.message.as_ref().map(CapabilityUrl::expose);
    let receipt = accepted.receipt.as_ref().map(CapabilityUrl::expose);
    if args.json {
        let status = accepted.status.as_u16();
        return terminal::json(&Printed { status, message, receipt, ttl: accepted.ttl_seconds });
    }
    message.iter().chain(receipt.iter().filter(|_| args.receipt)).try_for_each(|url| terminal::line(url))
}

/// What the service does differently from what was asked.
fn remark(args: &SendArgs, accepted: &Accepted) {
    if accepted.message.is_none() {
        terminal::note("the message was accepted; the service gave no URL for it");
    }
    if args.receipt && accepted.receipt.is_none() {
        terminal::warning("the service gives no receipts: its answer has no receipt subscription");
    }
    if let Some(granted) = accepted.ttl_seconds.filter(|granted| *granted < u64::from(args.ttl)) {
        terminal::note(&format!("the service keeps the message for {granted} s, not {} s", args.ttl));
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
    fn arguments_become_checked_values() {
        let args =
            parse(&["s.json", "--urgency", "very-low", "--topic=-a_", "--ttl", "0", "--", "-5 °C"]).unwrap();
        assert_eq!((args.text.as_str(), args.ttl, args.urgency), ("-5 °C", 0, Some(Urgency::VeryLow)));
        assert_eq!(args.topic, Topic::parse(b"-a_"));
        assert_eq!(parse(&["-", "x"]).unwrap().ttl, 86_400);
    }

    #[test]
    fn wrong_arguments_are_explained() {
        for (words, said) in [
            (&["s.json"][..], "TEXT"),
            (&["s.json", "--urgent"], "--urgency"),
            (&["s.json", "x", "--ttl=-1"], "--ttl"),
            (&["s.json", "x", "--urgency", "highest"], "very-low, low, normal, high"),
            (&["s.json", "x", "--topic", "a b"], "1 to 32"),
            (&["s.json", "x", "--vapid-subject", "mailto:a@b"], "--vapid-key"),
            (&["s.json", "x", "--vapid-key", "k", "--vapid-subject", "a@b"], "mailto:"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
