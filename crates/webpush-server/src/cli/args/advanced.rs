//! Limits that hardly anybody changes, hidden in the help.

use crate::cli::args::values::{parse_size, parse_timeout};
use std::time::Duration;
use webpush_config::setting::NeedsRestart;
use webpush_service::limits::LAST_PROMISED_STREAM;

/// Flags of the table `advanced`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct AdvancedArgs {
    /// Timeout for the head of an HTTP/1.1 request, and between two requests
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__HEAD_TIMEOUT", value_name = "TIME", default_value = "75s", value_parser = parse_timeout, hide = true)]
    pub(super) head_timeout: Duration,

    /// Timeout for the body of a request
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__BODY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = parse_timeout, hide = true)]
    pub(super) body_timeout: Duration,

    /// Timeout for a write that makes no progress
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__STALL_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    pub(super) stall_timeout: Duration,

    /// Interval between pings to HTTP/2 clients
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__KEEPALIVE", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    pub(super) keepalive: Duration,

    /// Timeout for the answer to a WebSocket ping
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__WEBSOCKET_PONG", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    pub(super) websocket_pong: Duration,

    /// ID of the promised stream at which an HTTP/2 connection is closed gracefully
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__LAST_PROMISED_STREAM", value_name = "ID", default_value_t = LAST_PROMISED_STREAM, hide = true)]
    pub(super) last_promised_stream: u32,

    /// Memory of unflushed messages at which they are flushed; their log may have twice that
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__MEMTABLE", add = NeedsRestart, value_name = "SIZE", default_value = "32MiB", value_parser = parse_size, hide = true)]
    pub(super) memtable: u64,
}
