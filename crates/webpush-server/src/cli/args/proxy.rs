//! Reverse proxies.

use clap::builder::BoolishValueParser;
use webpush_config::setting::NeedsRestart;
use webpush_core::address::CidrBlock;
use webpush_http::transport::forwarded::ForwardedHeader;
use webpush_http::transport::proxies::Proxies;

/// Flags for reverse proxies.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reverse proxies")]
pub(crate) struct ProxyArgs {
    /// Trusted proxies (addresses or CIDR blocks) whose Forwarded headers are used; repeatable
    ///
    /// List only addresses of proxies: a client at such an address can claim any address.
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxies: Vec<CidrBlock>,

    /// Header from which the client address is read; the other one is ignored, because clients can forge it
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__FORWARDED_HEADER",
        value_name = "NAME",
        value_enum,
        default_value_t = ForwardedHeader::XForwardedFor,
    )]
    forwarded_header: ForwardedHeader,

    /// Require a PROXY protocol header (version 1 or 2) on each connection, from trusted proxies only
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__PROXY_PROTOCOL", add = NeedsRestart,
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    proxy_protocol: bool,
}

impl ProxyArgs {
    /// Returns the trusted proxies.
    pub(crate) fn proxies(&self) -> Proxies {
        Proxies::new(&self.trusted_proxies, self.forwarded_header)
    }

    /// Returns true if connections start with a PROXY protocol header.
    pub(crate) const fn proxy_protocol(&self) -> bool {
        self.proxy_protocol
    }
}
