//! Flags of `serve` about its traces.

#[cfg(feature = "otlp")]
use super::values::parse_origin;

/// ServerConfig of traces.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Traces")]
pub struct OtlpArgs {
    /// OpenTelemetry collector that spans are sent to (OTLP over HTTP), as http://127.0.0.1:4318; only a build with
    /// --features otlp takes it [default: no traces]
    #[arg(long, env = "WEBPUSH_SERVER_OTLP__ENDPOINT", value_name = "URL", value_parser = parse_endpoint)]
    otlp_endpoint: Option<String>,
}

impl OtlpArgs {
    /// The collector, if there is to be one.
    pub(super) fn endpoint(self) -> Option<String> {
        self.otlp_endpoint
    }
}

#[cfg(feature = "otlp")]
fn parse_endpoint(text: &str) -> Result<String, String> {
    parse_origin(text)
}

/// Declared all the same, so that a configuration means the same to every build.
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
