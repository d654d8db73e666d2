//! Secret settings.
//!
//! They have no flag, because every user of a machine can read command lines; each has a sibling that names a file.

use webpush_config::setting::NeedsRestart;
use webpush_service::bearer_tokens;
use webpush_service::secret::Secret;

/// Secrets. Their flags exist for the parser alone.
#[derive(Debug, clap::Args)]
pub(crate) struct SecretArgs {
    /// Password of the PKCS#12 file; prefer tls.pfx_password_file
    #[arg(long, env = "WEBPUSH_SERVER_TLS__PFX_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub(crate) pfx_password: Option<Secret>,

    /// Tokens for subscribing; prefer subscribe.tokens_file
    #[arg(
        long,
        env = "WEBPUSH_SERVER_SUBSCRIBE__TOKENS",
        value_name = "TEXT",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = parse_token
    )]
    pub(crate) subscribe_tokens: Vec<Secret>,

    /// Tokens for the admin listener; prefer admin.tokens_file
    #[arg(
        long,
        env = "WEBPUSH_SERVER_ADMIN__TOKENS", add = NeedsRestart,
        value_name = "TEXT",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = parse_token
    )]
    pub(crate) admin_tokens: Vec<Secret>,
}

fn parse_token(text: &str) -> Result<Secret, String> {
    bearer_tokens::validate(text).map_err(|error| error.to_string())?;
    text.parse().map_err(|never: std::convert::Infallible| never.to_string())
}
