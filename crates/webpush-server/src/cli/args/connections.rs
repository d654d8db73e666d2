//! Connection limits.

use std::num::NonZeroUsize;
use webpush_config::setting::NeedsRestart;
use webpush_http::transport::connections::NetworkLimit;

/// Flags of the table `listen` that limit connections.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct ConnectionArgs {
    /// Maximum number of concurrent connections [default: the limit of open files, less 192]
    ///
    /// Further connections are closed immediately.
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__MAX_CONNECTIONS", add = NeedsRestart, value_name = "N")]
    max_connections: Option<NonZeroUsize>,

    /// Maximum number of connections per address; 0 for no limit [default: a quarter of all]
    ///
    /// An IPv6 prefix (--ipv6-prefix) counts as one address. Further connections are closed immediately. Connections of trusted proxies count only with --proxy-protocol, those
    /// from this machine only with --rate-limit-loopback.
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__MAX_CONNECTIONS_PER_ADDRESS", add = NeedsRestart, value_name = "N")]
    max_connections_per_address: Option<usize>,
}

impl ConnectionArgs {
    /// Returns the connection limit.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.max_connections.map(NonZeroUsize::get)
    }

    /// Returns the connection limit per address.
    pub(crate) fn max_connections_per_address(&self) -> NetworkLimit {
        match self.max_connections_per_address {
            None => NetworkLimit::Share,
            Some(0) => NetworkLimit::Off,
            Some(limit) => NetworkLimit::At(limit),
        }
    }
}
