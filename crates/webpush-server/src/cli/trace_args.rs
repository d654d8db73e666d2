//! Flags of `serve` about the way of each message.

use super::values::parse_time;
use std::time::Duration;
use webpush_service::trace::TraceConfig;

/// TraceConfig of what is kept of messages, for whoever asks where one is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Trace")]
pub struct TraceArgs {
    /// For how long after its acceptance the way of a message can be looked up (trace, the admin listener's page); 0 keeps
    /// nothing
    #[arg(long, env = "WEBPUSH_SERVER_TRACE__KEEP", value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    trace_keep: Duration,

    /// Of so many messages at most, about 100 bytes of memory each; beyond, the oldest make room
    #[arg(
        long,
        env = "WEBPUSH_SERVER_TRACE__MESSAGES",
        value_name = "N",
        default_value_t = 16_384,
        value_parser = parse_messages,
    )]
    trace_messages: usize,
}

/// As much memory as a large machine gives for this.
const MOST_MESSAGES: usize = 10_000_000;

fn parse_messages(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= MOST_MESSAGES);
    number.ok_or_else(|| format!("«{text}» is not a number of messages: 0 to {MOST_MESSAGES}"))
}

impl TraceArgs {
    /// How much is kept.
    pub(super) const fn settings(&self) -> TraceConfig {
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
