//! The configuration file, and the admin listener.

use std::path::PathBuf;
use webpush_admin::admin;
use webpush_admin::admin::address::{DEFAULT, Listen};
use webpush_config::setting::NeedsRestart;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::secret::Secret;

/// Flags for administration.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Administration")]
pub(crate) struct AdminArgs {
    /// TOML configuration file [default: /etc/webpush-server/webpush-server.toml, if it exists]
    ///
    /// Flags and variables override it.
    #[arg(long, env = "WEBPUSH_SERVER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Admin listener: an address, unix:PATH, or off
    ///
    /// The server also starts if the default address is in use; an explicit address must be free.
    #[arg(long, env = "WEBPUSH_SERVER_ADMIN__LISTEN", add = NeedsRestart, value_name = "ADDRESS", default_value = DEFAULT)]
    admin: Listen,

    /// Require one of the tokens in this file, one per line, for the admin listener
    ///
    /// The listener may then have a public address. A token has at least 16 characters. Lines that start with # are comments.
    #[arg(long, env = "WEBPUSH_SERVER_ADMIN__TOKENS_FILE", add = NeedsRestart, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl AdminArgs {
    /// Returns the configuration of the admin listener, unless it is off.
    pub(crate) fn settings(self, tokens: Vec<Secret>, is_default: bool) -> Option<admin::AdminConfig> {
        let tokens = TokenSource::new(self.admin_token_file, tokens, "--admin-token-file");
        match self.admin {
            Listen::Off => None,
            Listen::On(address) => Some(admin::AdminConfig { address, tokens, is_optional: is_default }),
        }
    }
}
