//! `log-id`: prints the log ID for a URL.

use crate::cli::exit::print_error;
use anyhow::{Context as _, bail};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use webpush_admin::sealing_keys;
use webpush_client::url::CapabilityUrl;
use webpush_core::capability::{Capability, Keyring};
use webpush_service::log_ids::LogIds;

/// Print the log ID for a URL
///
/// The log has log IDs in place of URLs. This command reads the keys in the data directory of the server, and prints the
/// log IDs of the agent, subscription or message. The nodes of a cluster (--store) have their keys in the database: there,
/// webpush-server agents show URL prints them.
#[derive(Clone, Debug, clap::Args)]
#[command(alias = "log-name")]
pub(crate) struct LogIdArgs {
    /// Any URL that the server has created
    #[arg(value_name = "URL", value_parser = CapabilityUrl::parse)]
    pub url: CapabilityUrl,

    /// Data directory of the server
    #[arg(long, value_name = "DIR", default_value = "webpush-data")]
    pub data_dir: PathBuf,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &LogIdArgs) -> ExitCode {
    match print(args.url.path(), &args.data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn print(path: &str, directory: &Path) -> anyhow::Result<()> {
    if !directory.join(sealing_keys::FILE_NAME).exists() {
        bail!(
            "cannot read {} (--data-dir): it does not exist. The keys of a cluster are in its database: there, \
             webpush-server agents show URL prints log IDs",
            directory.join(sealing_keys::FILE_NAME).display()
        );
    }
    let log_ids = log_ids(path, &sealing_keys::load(directory)?)
        .context("the server with this data directory did not create this URL (--data-dir)")?;
    io::stdout().write_all(log_ids.as_bytes()).context("cannot write to standard output")
}

/// Returns a line for each object that the URL refers to.
fn log_ids(path: &str, keyring: &Keyring) -> Option<String> {
    let log_ids = LogIds::new(keyring);
    Some(match keyring.open_below(path)? {
        Capability::Subscription(agent, subscription)
        | Capability::Push(agent, subscription)
        | Capability::Channel(agent, subscription)
        | Capability::Update(agent, subscription) => {
            format!("agent={}\nsubscription={}\n", log_ids.inbox(agent), log_ids.subscription(subscription))
        }
        Capability::SubscriptionSet(agent) | Capability::Device(agent) | Capability::Channels(agent) => {
            format!("agent={}\n", log_ids.inbox(agent))
        }
        Capability::ReceiptSubscription(inbox) => format!("receipts={}\n", log_ids.inbox(inbox)),
        Capability::Message(entry) => {
            format!(
                "agent={}\nmessage_log_id={}\n",
                log_ids.inbox(entry.inbox),
                log_ids.message(entry.message)
            )
        }
    })
}
