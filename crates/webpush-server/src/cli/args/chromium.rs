//! Push for Chromium.

use std::net::SocketAddr;
use webpush_config::setting::NeedsRestart;

/// Flags of the protocols of Chromium.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Chromium")]
pub(crate) struct ChromiumArgs {
    /// Serve Chromium, with an MCS listener at this address and port (experimental)
    ///
    /// The listener uses the certificate of the public port.
    #[arg(long, env = "WEBPUSH_SERVER_CHROMIUM__LISTEN", add = NeedsRestart, value_name = "ADDRESS")]
    chromium: Option<SocketAddr>,
}

impl ChromiumArgs {
    /// Returns the address of the MCS listener, if there is one.
    pub(crate) const fn listen(&self) -> Option<SocketAddr> {
        self.chromium
    }
}
