//! Traces for OpenTelemetry.

#[cfg(feature = "otlp")]
use super::values::parse_origin;
use webpush_config::setting::NeedsRestart;

/// Flags for traces.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Traces")]
pub(crate) struct OtlpArgs {
    /// OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318 [default: no export]
    ///
    /// Needs a build with --features otlp.
    #[arg(long, env = "WEBPUSH_SERVER_OTLP__ENDPOINT", add = NeedsRestart, value_name = "URL", value_parser = parse_endpoint)]
    otlp_endpoint: Option<String>,
}

impl OtlpArgs {
    /// Returns the URL of the collector, if there is one.
    pub(crate) fn endpoint(self) -> Option<String> {
        self.otlp_endpoint
    }
}

#[cfg(feature = "otlp")]
fn parse_endpoint(text: &str) -> Result<String, String> {
    parse_origin(text)
}

/// Declared in every build, so that a configuration means the same everywhere.
#[cfg(not(feature = "otlp"))]
fn parse_endpoint(_: &str) -> Result<String, String> {
    Err(crate::otlp::NOT_BUILT_IN.to_owned())
}

#[cfg(all(test, not(feature = "otlp")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_the_exporter_says_so() {
        assert!(parse_endpoint("http://127.0.0.1:4318").unwrap_err().contains("--features otlp"));
    }
}
