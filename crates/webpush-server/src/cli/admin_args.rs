//! Flags of `serve` for its operator: the configuration file, and the admin listener.

use std::path::PathBuf;
use webpush_admin::admin;
use webpush_admin::admin::address::{DEFAULT, Listen};
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::secret::Secret;

/// AdminConfig of administration.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Administration")]
pub struct AdminArgs {
    /// Configuration file, TOML; flags and variables win over it [default: /etc/webpush-server/webpush-server.toml if it
    /// is there]
    #[arg(long, env = "WEBPUSH_SERVER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Listener for the operator: an address, unix:/run/admin.sock, or off
    ///
    /// That the default is taken does not keep the service from starting; an address that is given must be free.
    #[arg(long, env = "WEBPUSH_SERVER_ADMIN__LISTEN", value_name = "ADDRESS", default_value = DEFAULT)]
    admin: Listen,

    /// Let only holders of a token use --admin, which may then be an address that other machines reach: a file with one
    /// a line, 16 characters or more, # for comments
    #[arg(long, env = "WEBPUSH_SERVER_ADMIN__TOKENS_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl AdminArgs {
    /// The admin listener, if there is to be one.
    pub(super) fn settings(self, tokens: Vec<Secret>, is_default: bool) -> Option<admin::AdminConfig> {
        let tokens = TokenSource::of(self.admin_token_file, tokens, "--admin-token-file");
        match self.admin {
            Listen::Off => None,
            Listen::On(address) => Some(admin::AdminConfig { address, tokens, may_be_taken: is_default }),
        }
    }
}
