//! `log-name`: what a URL is called in the log.

use super::report;
use anyhow::Context as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use webpush_admin::keys_file;
use webpush_client::url::CapabilityUrl;
use webpush_core::capability::{Capability, Keyring};
use webpush_service::pseudonyms::Pseudonyms;

/// Say what an agent, a subscription or a message is called in the log of a service
///
/// The log has keyed hashes in the place of URLs and ids. This reads the keys in the data folder of the service, and says
/// which names a URL of it has.
#[derive(Clone, Debug, clap::Args)]
pub struct LogNameArgs {
    /// Any URL that the service has given out
    #[arg(value_name = "URL", value_parser = CapabilityUrl::parse)]
    pub url: CapabilityUrl,

    /// The data folder of the service
    #[arg(long, value_name = "FOLDER", default_value = "webpush-data")]
    pub data_dir: PathBuf,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &LogNameArgs) -> ExitCode {
    match say(args.url.path(), &args.data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn say(path: &str, folder: &Path) -> anyhow::Result<()> {
    let names = names(path, &keys_file::load(folder)?)
        .context("this URL was not given out by the service with this data folder (--data-dir)")?;
    io::stdout().write_all(names.as_bytes()).context("standard output takes no more")
}

/// A line for each thing that the URL is about.
fn names(path: &str, keyring: &Keyring) -> Option<String> {
    let names = Pseudonyms::new(keyring);
    Some(match keyring.open(path)? {
        Capability::Subscription(agent, subscription)
        | Capability::Push(agent, subscription)
        | Capability::Channel(agent, subscription)
        | Capability::Update(agent, subscription) => {
            format!("agent={}\nsubscription={}\n", names.inbox(agent), names.subscription(subscription))
        }
        Capability::SubscriptionSet(agent) | Capability::Device(agent) | Capability::Channels(agent) => {
            format!("agent={}\n", names.inbox(agent))
        }
        Capability::ReceiptSubscription(inbox) => format!("receipts={}\n", names.inbox(inbox)),
        Capability::Message(entry) => {
            format!("agent={}\nmessage_name={}\n", names.inbox(entry.inbox), names.message(entry.message))
        }
    })
}
