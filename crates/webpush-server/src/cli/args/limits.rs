//! Access, rate limits, connection limits and timeouts.

use crate::cli::args::values::parse_time;
use clap::builder::BoolishValueParser;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use webpush_config::setting::NeedsRestart;
use webpush_core::base64url;
use webpush_core::rate::RateLimit;
use webpush_core::subscription::SenderKey;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::limits::{IPV6_PREFIX, LAST_PROMISED_STREAM, Limits, Rates, Timeouts};
use webpush_service::secret::Secret;

/// Flags for limits.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct LimitArgs {
    /// Require one of the tokens in this file, one per line, to subscribe
    ///
    /// A token has at least 16 characters. Lines that start with # are comments. Agents send it as "Authorization: Bearer
    /// TOKEN", or in the URL that they are configured with: https://host/t/TOKEN/. Sending needs no token.
    #[arg(long, env = "WEBPUSH_SERVER_SUBSCRIBE__TOKENS_FILE", value_name = "FILE")]
    subscribe_token_file: Option<PathBuf>,

    /// Rate limit per subscription: RATE:BURST, such as 1000/s:10000 (per s, m, h or d), or off
    #[arg(long, env = "WEBPUSH_SERVER_RATES__PUSH", value_name = "RATE", default_value = "1000/s:10000")]
    push_rate: RateLimit,

    /// Rate limit per user agent, over all its subscriptions
    #[arg(long, env = "WEBPUSH_SERVER_RATES__AGENT", value_name = "RATE", default_value = "5000/s:50000")]
    agent_rate: RateLimit,

    /// Rate limit per application server (VAPID key)
    #[arg(long, env = "WEBPUSH_SERVER_RATES__SENDER", value_name = "RATE", default_value = "10000/s:100000")]
    sender_rate: RateLimit,

    /// VAPID key, in base64url, that is exempt from --sender-rate; repeatable
    #[arg(
        long,
        env = "WEBPUSH_SERVER_RATES__EXEMPT_SENDERS",
        value_name = "KEY",
        value_delimiter = ',',
        value_parser = parse_sender
    )]
    exempt_sender: Vec<SenderKey>,

    /// Rate limit for new subscriptions per IPv4 address or IPv6 prefix
    #[arg(long, env = "WEBPUSH_SERVER_RATES__REGISTER", value_name = "RATE", default_value = "10/m:100")]
    register_rate: RateLimit,

    /// Rate limit for new receipt subscriptions per IPv4 address or IPv6 prefix
    #[arg(long, env = "WEBPUSH_SERVER_RATES__RECEIPT", value_name = "RATE", default_value = "60/m:1000")]
    receipt_rate: RateLimit,

    /// Rate limit of the Matrix gateway to other push services, per IPv4 address or IPv6 prefix
    #[arg(long, env = "WEBPUSH_SERVER_RATES__MATRIX", value_name = "RATE", default_value = "50/s:1000")]
    matrix_rate: RateLimit,

    /// Length of the IPv6 prefix that counts as one address; a host has at least a /64, homes often a /56
    #[arg(long, env = "WEBPUSH_SERVER_RATES__IPV6_PREFIX", value_name = "N", default_value_t = IPV6_PREFIX, value_parser = clap::value_parser!(u8).range(1..=128))]
    ipv6_prefix: u8,

    /// Also apply rate limits to clients on this machine
    #[arg(
        long,
        env = "WEBPUSH_SERVER_RATES__LIMIT_LOOPBACK",
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    rate_limit_loopback: bool,

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

    /// Timeout for the head of an HTTP/1.1 request, and between two requests
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__HEAD_TIMEOUT", value_name = "TIME", default_value = "75s", value_parser = parse_timeout, hide = true)]
    head_timeout: Duration,

    /// Timeout for the body of a request
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__BODY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = parse_timeout, hide = true)]
    body_timeout: Duration,

    /// Timeout for a write that makes no progress
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__STALL_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    stall_timeout: Duration,

    /// Interval between pings to HTTP/2 clients
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__KEEPALIVE", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    keepalive: Duration,

    /// Ping idle WebSocket clients after this interval; clients that ping more often are not pinged
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__WEBSOCKET_PING", value_name = "TIME", default_value = "6m", value_parser = parse_timeout)]
    websocket_ping: Duration,

    /// Timeout for the answer to a WebSocket ping
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__WEBSOCKET_PONG", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    websocket_pong: Duration,

    /// Timeout for the hello message on a WebSocket
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__HELLO", value_name = "TIME", default_value = "30s", value_parser = parse_timeout)]
    hello_timeout: Duration,

    /// On shutdown, keep serving for this time while /ready fails, for load balancers
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__DRAIN_DELAY", value_name = "TIME", default_value = "0s", value_parser = parse_time)]
    drain_delay: Duration,

    /// After that, close sessions spread over this time, so that agents do not all reconnect at once
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__DRAIN_WINDOW", value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    drain_window: Duration,

    /// ID of the promised stream at which an HTTP/2 connection is closed gracefully
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__LAST_PROMISED_STREAM", value_name = "ID", default_value_t = LAST_PROMISED_STREAM, hide = true)]
    last_promised_stream: u32,
}

impl LimitArgs {
    /// Returns the tokens for subscribing.
    pub(crate) fn subscribe_tokens(&self, given: Vec<Secret>) -> Option<TokenSource> {
        TokenSource::new(self.subscribe_token_file.clone(), given, "--subscribe-token-file")
    }

    /// Returns the connection limit.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.max_connections.map(NonZeroUsize::get)
    }

    /// Returns the connection limit per address.
    pub(crate) fn max_connections_per_address(&self) -> Option<usize> {
        self.max_connections_per_address.map(NonZeroUsize::get)
    }

    /// Returns the limits with these values.
    pub(crate) fn apply(self, limits: Limits) -> Limits {
        Limits {
            rates: Rates {
                subscription: self.push_rate,
                agent: self.agent_rate,
                sender: self.sender_rate,
                exempt_senders: self.exempt_sender,
                registration: self.register_rate,
                receipts: self.receipt_rate,
                elsewhere: self.matrix_rate,
                ipv6_prefix: self.ipv6_prefix,
                loopback: self.rate_limit_loopback,
            },
            timeouts: Timeouts {
                head: self.head_timeout,
                body: self.body_timeout,
                stall: self.stall_timeout,
                keepalive: self.keepalive,
                hello: self.hello_timeout,
                websocket_ping: self.websocket_ping,
                websocket_pong: self.websocket_pong,
                drain_delay: self.drain_delay,
                drain: self.drain_window,
            },
            last_promised_stream: self.last_promised_stream,
            ..limits
        }
    }
}

/// Parses a time greater than zero.
pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time.is_zero() { Err("expected a time greater than zero".to_owned()) } else { Ok(time) }
}

/// An uncompressed P-256 point in base64url, with or without padding (RFC 8292 §3.2).
fn parse_sender(text: &str) -> Result<SenderKey, String> {
    match base64url::decode_lenient(text).and_then(|bytes| <[u8; 65]>::try_from(bytes).ok()) {
        Some(key) if key[0] == 4 => Ok(SenderKey(key)),
        _ => {
            Err("expected a VAPID public key: 87 characters of base64url, as printed by webpush-server keys"
                .into())
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
        limits: LimitArgs,
    }

    fn limits(args: &[&str]) -> Limits {
        let flags = Flags::try_parse_from([&["test"], args].concat()).unwrap();
        flags.limits.apply(Limits::default())
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_service() {
        assert_eq!(format!("{:?}", limits(&[])), format!("{:?}", Limits::default()));
    }

    #[test]
    fn exempt_senders_are_keys() {
        let key = format!("BA{}", "A".repeat(85));
        let limits = limits(&["--exempt-sender", &key, "--exempt-sender", &format!("{key}=")]);
        assert_eq!(limits.rates.exempt_senders.len(), 2);
        for wrong in ["", "BAAA", &key[1..], &format!("AA{}", &key[2..])] {
            assert!(parse_sender(wrong).is_err(), "{wrong}");
        }
    }
}
