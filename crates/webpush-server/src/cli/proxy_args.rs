//! Flags of `serve` about proxies in front of it.

use clap::builder::BoolishValueParser;
use webpush_core::address::Block;
use webpush_http::transport::forwarded::ForwardedHeader;
use webpush_http::transport::proxies::Proxies;

/// ServerConfig of proxies.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Proxies in front")]
pub struct ProxyArgs {
    /// Proxies that are believed when they say for whom they ask: addresses, or blocks as 10.1.0.0/24; may be given several times
    ///
    /// List what only proxies have: a client with such an address could pass for anybody.
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxies: Vec<Block>,

    /// Header in which they say it; the other one counts for nothing, as a client may have made it up
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__FORWARDED_HEADER",
        value_name = "NAME",
        value_enum,
        default_value_t = ForwardedHeader::XForwardedFor,
    )]
    forwarded_header: ForwardedHeader,

    /// Take connections from them only, each beginning with a header of the PROXY protocol (version 1 or 2), also before TLS
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__PROXY_PROTOCOL",
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
    /// Which are believed, and how they say it.
    pub(super) fn proxies(&self) -> Proxies {
        Proxies::new(&self.trusted_proxies, self.forwarded_header)
    }

    /// Whether connections begin with a header.
    pub(super) const fn proxy_protocol(&self) -> bool {
        self.proxy_protocol
    }
}
