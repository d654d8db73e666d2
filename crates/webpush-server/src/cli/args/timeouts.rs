//! WebSocket keepalive and shutdown.

use crate::cli::args::values::{parse_time, parse_timeout};
use std::time::Duration;

/// Flags of the table `timeouts`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct TimeoutArgs {
    /// Ping idle WebSocket clients after this interval; clients that ping more often are not pinged
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__WEBSOCKET_PING", value_name = "TIME", default_value = "6m", value_parser = parse_timeout)]
    pub(super) websocket_ping: Duration,

    /// Timeout for the hello message on a WebSocket
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__HELLO", value_name = "TIME", default_value = "30s", value_parser = parse_timeout)]
    pub(super) hello_timeout: Duration,

    /// On shutdown, keep serving for this time while /ready fails, for load balancers
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__DRAIN_DELAY", value_name = "TIME", default_value = "0s", value_parser = parse_time)]
    pub(super) drain_delay: Duration,

    /// After that, close sessions spread over this time, so that agents do not all reconnect at once
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__DRAIN_WINDOW", value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    pub(super) drain_window: Duration,
}
