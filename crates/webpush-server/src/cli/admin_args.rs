//! Flags of `serve` for its operator: the configuration file.

use std::path::PathBuf;

/// Settings of administration. Each flag is also an environment variable.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Administration")]
pub struct AdminArgs {
    /// Configuration file, TOML: the versions of broadcasts, as the table «broadcasts»
    #[arg(long, env = "WEBPUSH_SERVER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}
