//! The log.

use crate::log::{Filter, Format, LogConfig};
use webpush_config::setting::NeedsRestart;

/// Flags for the log.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// Log filter, such as info or warn,webpush_store=debug; RUST_LOG overrides all sources
    // `h2` logs a warning for each flood that it ends, which would flood the log.
    #[arg(long, env = "WEBPUSH_SERVER_LOG__LEVEL", value_name = "FILTER", default_value = "info,h2=error")]
    log_level: Filter,

    /// Log format on standard error; auto is text on a terminal, the journal under systemd, otherwise JSON
    #[arg(long, env = "WEBPUSH_SERVER_LOG__FORMAT", add = NeedsRestart, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: Format,
}

impl LogArgs {
    /// Returns the log configuration.
    pub(crate) fn settings(self) -> LogConfig {
        LogConfig { level: self.log_level, format: self.log_format }
    }
}
