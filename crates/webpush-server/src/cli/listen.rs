//! `listen`: a user agent in one command.

mod backoff;
mod listener;
mod message;
mod resume;
mod seen;

use super::exit::{self, Exit, Failure};
use super::terminal;
use clap::{ValueEnum, ValueHint};
use listener::Listener;
use serde::Serialize;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;
use webpush_client::connection::{Connector, Protocols};
use webpush_client::error::ClientError;
use webpush_client::monitor;
use webpush_client::state_file::HeldSubscription;
use webpush_client::subscribe::{subscribe, unsubscribe};
use webpush_client::url::CapabilityUrl;

/// The way that messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// HTTP/2 server push, which every service of RFC 8030 has
    Push,
    /// Server-sent events, which also come through proxies that know no server push
    Sse,
}

impl Via {
    const fn protocols(self) -> Protocols {
        match self {
            Self::Push => monitor::Via::Push.protocols(),
            Self::Sse => monitor::Via::Events { after: None }.protocols(),
        }
    }
}

/// What tidying up may take when all else is done.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  See messages as they come; the first line is the subscription to send to:
      webpush-server listen | tee subscription.json
      webpush-server send subscription.json 'Dinner is ready'

  Keep a subscription for good, and let a program deal with its messages:
      webpush-server listen https://push.example.net --state ~/.alerts.json \\
          --exec 'xargs -0 notify-send --'

  Fetch what is there, for a script or cron:
      webpush-server listen --state ~/.alerts.json --no-wait --json | jq -r '.message // empty'

";

/// Subscribe to a push service and print messages as they come
///
/// The first line is the subscription as browsers write it, for send or any Web Push library; then comes one line
/// for each message, its text, with control characters escaped (--json and --exec have the exact bytes). A message
/// is acknowledged when it was printed and --exec has succeeded; until then the service keeps it.
///
/// When the connection is lost, it is made again after 1 to 30 seconds. Without --state the subscription is
/// deleted at the end, since the keys to read it are gone then.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}{}", exit::TABLE))]
pub struct ListenArgs {
    /// The push service; used only to make a new subscription
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = CapabilityUrl::parse)]
    pub url: CapabilityUrl,

    /// Keep the subscription in FILE: it is made when there is none yet, and used again otherwise
    ///
    /// The file holds the private key and is readable by its owner only. send takes it as a subscription.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub state: Option<PathBuf>,

    /// Replace the subscription in --state by a new one; senders must be told
    #[arg(long, requires = "state")]
    pub renew: bool,

    /// End after N messages were acknowledged
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,

    /// End when everything that is stored has been delivered
    #[arg(long)]
    pub no_wait: bool,

    /// How messages come
    #[arg(long, value_enum, default_value_t = Via::Push)]
    pub via: Via,

    /// Run CMD with sh for each message, its bytes on standard input, one after another
    ///
    /// When CMD fails, the message is not acknowledged and comes again later.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    pub exec: Option<String>,

    /// Print JSON, one object a line: {"subscription":…}, then {"message":…,"data_base64url":…,…}
    ///
    /// A message has: message (its text, or null if it is not UTF-8), data_base64url (its bytes, or null if it has
    /// none), path (of its URL), encoding (its Content-Encoding), received (RFC 3339).
    #[arg(long)]
    pub json: bool,

    /// Also trust the authorities in this PEM file for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct FirstLine<S> {
    subscription: S,
}

/// Runs the verb until it ends or is interrupted.
#[must_use]
pub fn run(args: &ListenArgs) -> ExitCode {
    exit::run(listen(args))
}

async fn listen(args: &ListenArgs) -> Result<Exit, Failure> {
    let connector = Connector::new(args.ca_file.clone());
    // One for the whole run, so that none is missed between two parts of it.
    let mut interrupt = pin!(interrupted());
    let held = tokio::select! {
        held = open(args, &connector) => held?,
        () = &mut interrupt => return Ok(Exit::Interrupted),
    };
    let subscription = held.push_subscription().to_json();
    let printed =
        if args.json { terminal::json(&FirstLine { subscription }) } else { terminal::json(&subscription) };
    let ended = match printed {
        Err(error) => Err(Failure::Output(error)),
        Ok(()) => tokio::select! {
            ended = Listener::new(args, &connector, &held).run() => ended,
            () = &mut interrupt => Ok(Exit::Interrupted),
        },
    };
    let gone = matches!(&ended, Err(Failure::Client(ClientError::Gone(_))));
    if args.state.is_none() && !gone {
        discard(args.via, &connector, &held.subscription).await;
    }
    ended.map_err(|failure| explain(args, failure))
}

/// The subscription of the state file, or a new one.
async fn open(args: &ListenArgs, connector: &Connector) -> Result<HeldSubscription, ClientError> {
    let Some(path) = &args.state else { return begin(args, connector).await };
    if args.renew {
        return renew(path, args, connector).await;
    }
    if let Some(held) = HeldSubscription::load(path)? {
        terminal::note(&format!(
            "listening at {} with the subscription of {}",
            held.subscription.origin(),
            path.display()
        ));
        return Ok(held);
    }
    begin_and_save(path, args, connector).await
}

/// A subscription that could not be kept is not left behind.
async fn begin_and_save(
    path: &Path,
    args: &ListenArgs,
    connector: &Connector,
) -> Result<HeldSubscription, ClientError> {
    let held = begin(args, connector).await?;
    if let Err(error) = held.save(path) {
        discard(args.via, connector, &held.subscription).await;
        return Err(error);
    }
    Ok(held)
}

async fn begin(args: &ListenArgs, connector: &Connector) -> Result<HeldSubscription, ClientError> {
    let held = subscribe(connector, &args.url, args.via.protocols()).await?;
    terminal::note(&format!("listening at {} with a new subscription", held.subscription.origin()));
    Ok(held)
}

/// A new subscription first; only when it is safe, the old one goes.
async fn renew(
    path: &Path,
    args: &ListenArgs,
    connector: &Connector,
) -> Result<HeldSubscription, ClientError> {
    // A file that cannot be read is what renewing is for.
    let old = HeldSubscription::load(path).ok().flatten();
    let held = begin_and_save(path, args, connector).await?;
    if let Some(old) = old {
        discard(args.via, connector, &old.subscription).await;
    }
    Ok(held)
}

/// Deletes a subscription that nobody can read any more. The service finds out by itself if this fails.
async fn discard(via: Via, connector: &Connector, subscription: &CapabilityUrl) {
    let delete = async {
        let mut connection = connector.connect(subscription, via.protocols()).await?;
        unsubscribe(&mut connection, subscription).await
    };
    tokio::select! {
        deleted = tokio::time::timeout(GOODBYE_TIMEOUT, delete) => {
            if !matches!(deleted, Ok(Ok(()))) {
                terminal::warning(&format!("the unused subscription could not be deleted at {}", subscription.origin()));
            }
        }
        () = interrupted() => {}
    }
}

/// Says what to do where the parts that failed did not know the command line.
fn explain(args: &ListenArgs, failure: Failure) -> Failure {
    let Failure::Client(ClientError::Gone(sentence)) = failure else { return failure };
    let what = match &args.state {
        Some(path) => format!(
            "the subscription of {} is gone: {sentence}; make a new one with --renew and give it to the senders",
            path.display()
        ),
        None => format!("the subscription is gone: {sentence}"),
    };
    Failure::Client(ClientError::Gone(what))
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // The signal cannot be caught here, so it ends the process without us.
        std::future::pending::<()>().await;
    }
}
