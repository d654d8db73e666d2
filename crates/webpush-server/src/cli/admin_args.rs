//! Flags of `serve` for its operator: the configuration file, and the admin listener.

use crate::admin;
use crate::admin::address::Address;
use std::path::PathBuf;

/// Settings of administration. Each flag is also an environment variable.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Administration")]
pub struct AdminArgs {
    /// Configuration file, TOML: the versions of broadcasts, as the table «broadcasts»
    #[arg(long, env = "WEBPUSH_SERVER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Listener for the operator: 127.0.0.1:9090, or unix:/run/admin.sock [default: none]
    #[arg(long, env = "WEBPUSH_SERVER_ADMIN", value_name = "ADDRESS")]
    admin: Option<Address>,

    /// Let only holders of a token use --admin, which may then be an address that other machines reach: a file with one
    /// a line, 16 characters or more, # for comments
    #[arg(long, env = "WEBPUSH_SERVER_ADMIN_TOKEN_FILE", value_name = "FILE", requires = "admin")]
    admin_token_file: Option<PathBuf>,
}

impl AdminArgs {
    /// The admin listener, if there is to be one.
    pub(super) fn settings(self) -> Option<admin::Settings> {
        self.admin.map(|address| admin::Settings { address, token_file: self.admin_token_file })
    }
}
