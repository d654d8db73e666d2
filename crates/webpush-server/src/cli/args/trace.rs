//! Message traces.

use crate::cli::args::values::parse_time;
use std::time::Duration;
use webpush_config::setting::NeedsRestart;
use webpush_service::trace::TraceConfig;

/// Flags for message traces.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Trace")]
pub(crate) struct TraceArgs {
    /// How long message traces are kept; 0 disables tracing
    #[arg(long, env = "WEBPUSH_SERVER_TRACE__KEEP", add = NeedsRestart, value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    trace_keep: Duration,

    /// Maximum number of traced messages (about 100 bytes each); the oldest are evicted first
    #[arg(
        long,
        env = "WEBPUSH_SERVER_TRACE__MESSAGES", add = NeedsRestart,
        value_name = "N",
        default_value_t = 16_384,
        value_parser = parse_messages,
    )]
    trace_messages: usize,
}

/// Maximum number of traced messages, about 1 GB.
const MOST_MESSAGES: usize = 10_000_000;

fn parse_messages(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= MOST_MESSAGES);
    number.ok_or_else(|| format!("'{text}' is not a number of messages: expected 0 to {MOST_MESSAGES}"))
}

impl TraceArgs {
    /// Returns the trace configuration.
    pub(crate) const fn settings(&self) -> TraceConfig {
        TraceConfig { keep: self.trace_keep, messages: self.trace_messages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        trace: TraceArgs,
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_service() {
        let Flags { trace } = Flags::try_parse_from(["test"]).unwrap();
        assert_eq!(trace.settings(), TraceConfig::default());
        assert!(Flags::try_parse_from(["test", "--trace-messages", "10000001"]).is_err());
    }
}
