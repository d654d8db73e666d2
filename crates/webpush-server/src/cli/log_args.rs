//! Flags of `serve` about its log.

use crate::log::{Filter, Format, LogConfig};

/// LogConfig of the log.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// What is logged, as info or warn,webpush_store=debug; RUST_LOG wins over all sources
    // `h2` warns of each flood that it ends, which would be one of lines.
    #[arg(long, env = "WEBPUSH_SERVER_LOG__LEVEL", value_name = "FILTER", default_value = "info,h2=error")]
    log_level: Filter,

    /// Form of the log on standard error; auto is text on a terminal, the journal under systemd, and JSON otherwise
    #[arg(long, env = "WEBPUSH_SERVER_LOG__FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    log_format: Format,
}

impl LogArgs {
    /// What the log is written with.
    pub(super) fn settings(self) -> LogConfig {
        LogConfig { level: self.log_level, format: self.log_format }
    }
}
