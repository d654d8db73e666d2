//! The tokens for subscribing.

use std::path::PathBuf;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::secret::Secret;

/// Flags of the table `subscribe`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct SubscribeArgs {
    /// Require one of the tokens in this file, one per line, to subscribe
    ///
    /// A token has at least 16 characters. Lines that start with # are comments. Agents send it as "Authorization: Bearer
    /// TOKEN", or in the URL that they are configured with: https://host/t/TOKEN/. Sending needs no token.
    #[arg(long, env = "WEBPUSH_SERVER_SUBSCRIBE__TOKENS_FILE", value_name = "FILE")]
    subscribe_token_file: Option<PathBuf>,
}

impl SubscribeArgs {
    /// Returns the tokens for subscribing.
    pub(crate) fn tokens(&self, given: Vec<Secret>) -> Option<TokenSource> {
        TokenSource::new(self.subscribe_token_file.clone(), given, "--subscribe-token-file")
    }
}
