//! `listen`: a user agent on the command line.

mod backoff;
mod history;
mod listen_loop;
mod message;
mod resume;

use crate::cli::exit::{self, Exit, Failure};
use crate::cli::render::terminal;
use clap::{ValueEnum, ValueHint};
use listen_loop::ListenLoop;
use serde::Serialize;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;
use webpush_client::connection::{Connector, Protocols};
use webpush_client::error::{ClientError, Fault};
use webpush_client::monitor;
use webpush_client::state_file::AgentSubscription;
use webpush_client::subscribe::{subscribe, unsubscribe};
use webpush_client::url::CapabilityUrl;

/// How messages are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeliveryMethod {
    /// HTTP/2 server push (RFC 8030)
    Push,
    /// Server-sent events (SSE), which also pass proxies without server push
    Sse,
}

impl DeliveryMethod {
    const fn protocols(self) -> Protocols {
        match self {
            Self::Push => monitor::Via::Push.protocols(),
            Self::Sse => monitor::Via::Events { after: None }.protocols(),
        }
    }
}

/// Time limit for deleting the subscription at the end.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Print messages as they arrive; the first line is the subscription to send to:
      webpush-server listen | tee subscription.json
      webpush-server send subscription.json 'Dinner is ready'

  Keep a subscription, and pass its messages to a program:
      webpush-server listen https://push.example.net --state ~/.alerts.json \\
          --exec 'xargs -0 notify-send --'

  Fetch stored messages, for a script or cron:
      webpush-server listen --state ~/.alerts.json --no-wait --json | jq -r '.message // empty'

";

/// Subscribe and print messages as they arrive
///
/// Prints the subscription as JSON, in the format of PushSubscription.toJSON(), for send or any Web Push library; then
/// one line per message: its text, with control characters escaped (use --json or --exec for the exact bytes). A
/// message is acknowledged once it has been printed and --exec has succeeded; until then the service keeps it.
///
/// Reconnects after 1 to 30 seconds when the connection is lost. Without --state, the subscription is deleted at the
/// end, because its keys are lost.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}{}", exit::TABLE))]
pub(crate) struct ListenArgs {
    /// URL of the push service, used only to create a subscription
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = CapabilityUrl::parse)]
    pub url: CapabilityUrl,

    /// Load the subscription from FILE, or create it and save it there
    ///
    /// The file holds the private key, and only its owner can read it. Pass it to send as a subscription.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub state: Option<PathBuf>,

    /// Replace the subscription in --state with a new one, for the senders to use
    #[arg(long, requires = "state")]
    pub renew: bool,

    /// Exit after N messages have been acknowledged
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,

    /// Exit after all stored messages have been delivered
    #[arg(long)]
    pub no_wait: bool,

    /// Delivery method
    #[arg(long, value_enum, default_value_t = DeliveryMethod::Push)]
    pub via: DeliveryMethod,

    /// Run CMD with sh for each message, with its bytes on standard input
    ///
    /// Messages are handled one at a time. If CMD fails, the message is not acknowledged, and is redelivered later.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    pub exec: Option<String>,

    /// Print one JSON object per line: {"subscription":…}, then {"message":…,…}
    ///
    /// Members of a message: message (its text, or null if it is not UTF-8), data_base64url (its bytes, or null if it has
    /// none), path (of its URL), encoding (its Content-Encoding), received (RFC 3339).
    #[arg(long)]
    pub json: bool,

    /// PEM file of additional CA certificates to trust for https
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct FirstLine<S> {
    subscription: S,
}

/// Runs the command until it ends or is interrupted.
#[must_use]
pub(crate) fn run(args: &ListenArgs) -> ExitCode {
    exit::run(listen(args))
}

async fn listen(args: &ListenArgs) -> Result<Exit, Failure> {
    let connector = Connector::new(args.ca_file.clone());
    // One for the whole run, so that no signal is missed between two parts of it.
    let mut interrupt = pin!(interrupted());
    let subscribed = tokio::select! {
        subscribed = open(args, &connector) => subscribed?,
        () = &mut interrupt => return Ok(Exit::Interrupted),
    };
    let subscription = subscribed.push_subscription().to_json();
    let printed =
        if args.json { terminal::json(&FirstLine { subscription }) } else { terminal::json(&subscription) };
    let ended = match printed {
        Err(error) => Err(Failure::Output(error)),
        Ok(()) => tokio::select! {
            ended = ListenLoop::new(args, &connector, &subscribed).run() => ended,
            () = &mut interrupt => Ok(Exit::Interrupted),
        },
    };
    let gone = matches!(&ended, Err(Failure::Client(error)) if error.fault() == Fault::Gone);
    if args.state.is_none() && !gone {
        discard(args.via, &connector, &subscribed.subscription).await;
    }
    ended.map_err(|failure| explain(args, failure))
}

/// Returns the subscription of the state file, or a new one.
async fn open(args: &ListenArgs, connector: &Connector) -> Result<AgentSubscription, ClientError> {
    let Some(path) = &args.state else { return begin(args, connector).await };
    if args.renew {
        return renew(path, args, connector).await;
    }
    if let Some(subscribed) = AgentSubscription::load(path)? {
        terminal::note(&format!(
            "listening at {} with the subscription of {}",
            subscribed.subscription.origin(),
            path.display()
        ));
        return Ok(subscribed);
    }
    begin_and_save(path, args, connector).await
}

/// Creates and saves a subscription. Deletes it if it cannot be saved.
async fn begin_and_save(
    path: &Path,
    args: &ListenArgs,
    connector: &Connector,
) -> Result<AgentSubscription, ClientError> {
    let subscribed = begin(args, connector).await?;
    if let Err(error) = subscribed.save(path) {
        discard(args.via, connector, &subscribed.subscription).await;
        return Err(error);
    }
    Ok(subscribed)
}

async fn begin(args: &ListenArgs, connector: &Connector) -> Result<AgentSubscription, ClientError> {
    let subscribed = subscribe(connector, &args.url, args.via.protocols()).await?;
    terminal::note(&format!("listening at {} with a new subscription", subscribed.subscription.origin()));
    Ok(subscribed)
}

/// Creates and saves a new subscription, then deletes the old one.
async fn renew(
    path: &Path,
    args: &ListenArgs,
    connector: &Connector,
) -> Result<AgentSubscription, ClientError> {
    // An unreadable file is a reason to renew.
    let old = AgentSubscription::load(path).ok().flatten();
    let subscribed = begin_and_save(path, args, connector).await?;
    if let Some(old) = old {
        discard(args.via, connector, &old.subscription).await;
    }
    Ok(subscribed)
}

/// Deletes a subscription that is no longer needed. If this fails, the service expires it.
async fn discard(via: DeliveryMethod, connector: &Connector, subscription: &CapabilityUrl) {
    let delete = async {
        let mut connection = connector.connect(subscription, via.protocols()).await?;
        unsubscribe(&mut connection, subscription).await
    };
    tokio::select! {
        deleted = tokio::time::timeout(GOODBYE_TIMEOUT, delete) => {
            if !matches!(deleted, Ok(Ok(()))) {
                terminal::warning(&format!("cannot delete the unused subscription at {}", subscription.origin()));
            }
        }
        () = interrupted() => {}
    }
}

/// Adds what to do about a subscription that is gone.
fn explain(args: &ListenArgs, failure: Failure) -> Failure {
    match (failure, &args.state) {
        (Failure::Client(error), Some(path)) if error.fault() == Fault::Gone => Failure::Explained(
            format!(
                "the subscription in {} is gone; create a new one with --renew and give it to the senders",
                path.display()
            ),
            error,
        ),
        (Failure::Client(error), None) if error.fault() == Fault::Gone => {
            Failure::Explained("the subscription is gone".to_owned(), error)
        }
        (failure, _) => failure,
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // The signal cannot be caught here, so it ends the process without us.
        std::future::pending::<()>().await;
    }
}
