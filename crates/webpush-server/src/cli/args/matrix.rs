//! The gateway for Matrix homeservers.

use super::values::parse_timeout;
use std::time::Duration;
use webpush_config::setting::NeedsRestart;
use webpush_core::address::CidrBlock;
use webpush_http::gateway::{GatewayConfig, GatewayScope};

/// Flags for the Matrix gateway.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Matrix gateway")]
pub(crate) struct MatrixArgs {
    /// Push URLs that Matrix homeservers may send notifications to
    #[arg(long, env = "WEBPUSH_SERVER_MATRIX__GATEWAY", add = NeedsRestart, value_name = "SCOPE", value_enum, default_value_t)]
    matrix_gateway: GatewayScope,

    /// Addresses or CIDR blocks that the gateway may connect to although they are not public; repeatable
    #[arg(long, env = "WEBPUSH_SERVER_MATRIX__ALLOW_ADDRESSES", add = NeedsRestart, value_name = "CIDR", value_delimiter = ',')]
    matrix_allow_address: Vec<CidrBlock>,

    /// Timeout for a request to another push service
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__MATRIX_TIMEOUT", add = NeedsRestart, value_name = "TIME", default_value = "10s", value_parser = parse_timeout, hide = true)]
    matrix_timeout: Duration,
}

impl MatrixArgs {
    /// Returns the gateway configuration.
    pub(crate) fn settings(self) -> GatewayConfig {
        GatewayConfig {
            scope: self.matrix_gateway,
            allowed: self.matrix_allow_address,
            patience: self.matrix_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        matrix: MatrixArgs,
    }

    fn settings(args: &[&str]) -> GatewayConfig {
        Flags::try_parse_from([&["test"], args].concat()).unwrap().matrix.settings()
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_service() {
        assert_eq!(settings(&[]), GatewayConfig::default());
    }

    #[test]
    fn blocks_can_be_listed_and_repeated() {
        let allow = "--matrix-allow-address";
        let settings = settings(&[allow, "192.168.0.0/16,fd00::/8", allow, "10.1.2.3"]);
        assert_eq!(settings.allowed.len(), 3);
        for wrong in [[allow, "192.168.0.1/16"], [allow, "lan"], ["--matrix-gateway", "some"]] {
            assert!(Flags::try_parse_from(["test"].into_iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
