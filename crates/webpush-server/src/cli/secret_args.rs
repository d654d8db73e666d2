//! ServerConfig that are secret themselves. They stand in the file or in a variable, never in a command line, which everybody
//! on the machine can read; each has a sister that names a file.

use webpush_service::bearer_tokens;
use webpush_service::secret::Secret;

/// Secrets. Their flags exist for the parser alone.
#[derive(Debug, clap::Args)]
pub struct SecretArgs {
    /// Password of the PKCS#12 file; better in a file of its own
    #[arg(long, env = "WEBPUSH_SERVER_TLS__PFX_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub(super) pfx_password: Option<Secret>,

    /// Tokens of which one is needed to subscribe; better in a file of their own
    #[arg(
        long,
        env = "WEBPUSH_SERVER_SUBSCRIBE__TOKENS",
        value_name = "TEXT",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = parse_token
    )]
    pub(super) subscribe_tokens: Vec<Secret>,

    /// Tokens of which one is needed to use the admin listener; better in a file of their own
    #[arg(
        long,
        env = "WEBPUSH_SERVER_ADMIN__TOKENS",
        value_name = "TEXT",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = parse_token
    )]
    pub(super) admin_tokens: Vec<Secret>,
}

fn parse_token(text: &str) -> Result<Secret, String> {
    bearer_tokens::check(text)?;
    text.parse().map_err(|never: std::convert::Infallible| never.to_string())
}
