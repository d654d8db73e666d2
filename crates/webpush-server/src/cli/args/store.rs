//! The database of a cluster.

use crate::store_config::{StoreConfig, redact};
use std::path::PathBuf;
use webpush_config::setting::{NeedsRestart, Redacted};
use webpush_service::secret::Secret;

/// Flags for the database of a cluster.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct StoreArgs {
    /// PostgreSQL database that all nodes of a cluster share [default: a store in the data directory]
    ///
    /// postgres://USER@HOST/DATABASE; of several hosts, separated by commas, the one that accepts writes is used. Hosts
    /// on other machines need TLS, unless ?sslmode=disable or ?sslmode=prefer follows. The data directory is then for the
    /// admin token and certificates of this node. Needs --store-secret-file.
    #[arg(
        long,
        env = "WEBPUSH_SERVER_STORAGE__URL", add = NeedsRestart, add = Redacted(redact),
        value_name = "URL",
        hide_env_values = true
    )]
    store: Option<Secret>,

    /// File with the password of the database, if it is not in the URL
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__PASSWORD_FILE", add = NeedsRestart, value_name = "FILE")]
    store_password_file: Option<PathBuf>,

    /// Certificates of the authority that signs those of the database (PEM) [default: those of the system]
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__CA_FILE", add = NeedsRestart, value_name = "FILE")]
    store_ca_file: Option<PathBuf>,

    /// File with a secret of at least 32 characters, the same for all nodes
    ///
    /// It encrypts the keys in the database that seal URLs: without it, a copy of the database grants nothing. Create it
    /// with openssl rand -base64 32, and back it up.
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__SECRET_FILE", add = NeedsRestart, value_name = "FILE")]
    store_secret_file: Option<PathBuf>,

    /// Schema of the tables in the database; created if it does not exist
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__SCHEMA", add = NeedsRestart, value_name = "NAME", default_value = "webpush")]
    store_schema: String,

    /// Number of connections for commits; reads and notifications use a few more
    #[arg(
        long,
        env = "WEBPUSH_SERVER_STORAGE__CONNECTIONS", add = NeedsRestart,
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u64).range(1..=64)
    )]
    store_connections: u64,
}

impl StoreArgs {
    /// Returns the configuration of the database, if there is one.
    pub(crate) fn settings(self) -> Option<StoreConfig> {
        Some(StoreConfig {
            url: self.store?,
            password_file: self.store_password_file,
            ca_file: self.store_ca_file,
            // The rules of the settings make sure that there is one.
            secret_file: self.store_secret_file.unwrap_or_default(),
            schema: self.store_schema,
            connections: usize::try_from(self.store_connections).unwrap_or(1),
        })
    }
}
