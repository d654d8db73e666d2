//! Connection limits.

use std::num::NonZeroUsize;
use webpush_config::setting::NeedsRestart;

/// Flags of the table `listen` that limit connections.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct ConnectionArgs {
    /// Maximum number of concurrent connections [default: the limit of open files, less 192]
    ///
    /// Further connections are closed immediately.
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__MAX_CONNECTIONS", add = NeedsRestart, value_name = "N")]
    max_connections: Option<NonZeroUsize>,

    /// Maximum number of concurrent connections per IPv4 address or IPv6 prefix [default: unlimited]
    ///
    /// Further connections are closed immediately. Connections of trusted proxies count only with --proxy-protocol, those
    /// from this machine only with --rate-limit-loopback.
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__MAX_CONNECTIONS_PER_ADDRESS", add = NeedsRestart, value_name = "N")]
    max_connections_per_address: Option<NonZeroUsize>,
}

impl ConnectionArgs {
    /// Returns the connection limit.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.max_connections.map(NonZeroUsize::get)
    }

    /// Returns the connection limit per address.
    pub(crate) fn max_connections_per_address(&self) -> Option<usize> {
        self.max_connections_per_address.map(NonZeroUsize::get)
    }
}
