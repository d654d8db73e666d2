//! Flags of `serve` that keep the service fair and upright: who may subscribe, how often what may be asked, and how
//! long a peer may take.

use super::values::parse_time;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use clap::builder::BoolishValueParser;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use webpush_core::rate::RateLimit;
use webpush_core::subscription::SenderKey;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::limits::{IPV6_PREFIX, LAST_PROMISED_STREAM, Limits, Rates, Timeouts};
use webpush_service::secret::Secret;

/// ServerConfig of fairness.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits and fairness")]
pub struct LimitArgs {
    /// Let only holders of a token subscribe: a file with one a line, 16 characters or more, # for comments
    ///
    /// A token is sent as «Authorization: Bearer TOKEN», or written into the URL that an agent is given:
    /// https://host/t/TOKEN/. Whoever was given a push URL may push without one.
    #[arg(long, env = "WEBPUSH_SERVER_SUBSCRIBE__TOKENS_FILE", value_name = "FILE")]
    subscribe_token_file: Option<PathBuf>,

    /// Messages to one subscription: RATE:BURST as in 1000/s:10000 (per s, m, h or d), or off
    #[arg(long, env = "WEBPUSH_SERVER_RATES__PUSH", value_name = "RATE", default_value = "1000/s:10000")]
    push_rate: RateLimit,

    /// Messages to one user agent, over all its subscriptions
    #[arg(long, env = "WEBPUSH_SERVER_RATES__AGENT", value_name = "RATE", default_value = "5000/s:50000")]
    agent_rate: RateLimit,

    /// Messages of one application server, known by its VAPID key
    #[arg(long, env = "WEBPUSH_SERVER_RATES__SENDER", value_name = "RATE", default_value = "10000/s:100000")]
    sender_rate: RateLimit,

    /// Application server without --sender-rate: its VAPID key in base64url; may be given several times
    #[arg(
        long,
        env = "WEBPUSH_SERVER_RATES__EXEMPT_SENDERS",
        value_name = "KEY",
        value_delimiter = ',',
        value_parser = parse_sender
    )]
    exempt_sender: Vec<SenderKey>,

    /// New subscriptions from one IPv4 address or IPv6 prefix
    #[arg(long, env = "WEBPUSH_SERVER_RATES__REGISTER", value_name = "RATE", default_value = "10/m:100")]
    register_rate: RateLimit,

    /// New receipt subscriptions for one IPv4 address or IPv6 prefix; senders are meant to use the one they have
    #[arg(long, env = "WEBPUSH_SERVER_RATES__RECEIPT", value_name = "RATE", default_value = "60/m:1000")]
    receipt_rate: RateLimit,

    /// Messages that the Matrix gateway sends to other push services for one IPv4 address or IPv6 prefix
    #[arg(long, env = "WEBPUSH_SERVER_RATES__MATRIX", value_name = "RATE", default_value = "50/s:1000")]
    matrix_rate: RateLimit,

    /// How many leading bits of an IPv6 address count as one address: 64 is the least that a host gets, homes often have 56
    #[arg(long, env = "WEBPUSH_SERVER_RATES__IPV6_PREFIX", value_name = "N", default_value_t = IPV6_PREFIX, value_parser = clap::value_parser!(u8).range(1..=128))]
    ipv6_prefix: u8,

    /// Apply the rates also to peers on this machine
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

    /// Connections at once; more are closed at once [default: open files allowed, less 192]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__MAX_CONNECTIONS", value_name = "N")]
    max_connections: Option<NonZeroUsize>,

    /// Connections at once from one IPv4 address or IPv6 prefix; more are closed at once. Those of trusted proxies are not
    /// counted, unless the PROXY protocol says whose they are; those from this machine are only with --rate-limit-loopback
    /// [default: no bound of their own]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    max_connections_per_address: Option<NonZeroUsize>,

    /// Longest time for the head of an HTTP/1.1 request, and between two of them
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__HEAD_TIMEOUT", value_name = "TIME", default_value = "75s", value_parser = parse_timeout, hide = true)]
    head_timeout: Duration,

    /// Longest time for the body of a request
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__BODY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = parse_timeout, hide = true)]
    body_timeout: Duration,

    /// Longest time in which a peer takes nothing of what is sent to it
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__STALL_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    stall_timeout: Duration,

    /// How often an HTTP/2 peer is asked whether it is there
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__KEEPALIVE", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    keepalive: Duration,

    /// Ask an agent on a WebSocket whether it is there after so much silence; agents that ask oftener are left alone
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__WEBSOCKET_PING", value_name = "TIME", default_value = "6m", value_parser = parse_timeout)]
    websocket_ping: Duration,

    /// Close a WebSocket on which no answer to that came
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__WEBSOCKET_PONG", value_name = "TIME", default_value = "60s", value_parser = parse_timeout, hide = true)]
    websocket_pong: Duration,

    /// Close a WebSocket on which no hello came
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__HELLO", value_name = "TIME", default_value = "30s", value_parser = parse_timeout)]
    hello_timeout: Duration,

    /// When the service stops, go on for so long while /ready fails already, so that a load balancer sees it
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__DRAIN_DELAY", value_name = "TIME", default_value = "0s", value_parser = parse_time)]
    drain_delay: Duration,

    /// Then end sessions spread over this time, so that agents don't all come back at once
    #[arg(long, env = "WEBPUSH_SERVER_TIMEOUTS__DRAIN_WINDOW", value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    drain_window: Duration,

    /// The promised stream at which an HTTP/2 connection is closed in order
    #[arg(long, env = "WEBPUSH_SERVER_ADVANCED__LAST_PROMISED_STREAM", value_name = "ID", default_value_t = LAST_PROMISED_STREAM, hide = true)]
    last_promised_stream: u32,
}

impl LimitArgs {
    /// The tokens that subscribing takes.
    pub(super) fn subscribe_tokens(&self, given: Vec<Secret>) -> Option<TokenSource> {
        TokenSource::of(self.subscribe_token_file.clone(), given, "--subscribe-token-file")
    }

    /// The most connections at once.
    pub(super) fn max_connections(&self) -> Option<usize> {
        self.max_connections.map(NonZeroUsize::get)
    }

    /// The most of one address.
    pub(super) fn max_connections_per_address(&self) -> Option<usize> {
        self.max_connections_per_address.map(NonZeroUsize::get)
    }

    /// These limits in the place of the defaults.
    pub(super) fn apply(self, limits: Limits) -> Limits {
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

/// A time that is not none.
pub(super) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time.is_zero() { Err("nobody can be that fast".to_owned()) } else { Ok(time) }
}

/// An uncompressed P-256 point in base64url, with or without padding (RFC 8292 §3.2).
fn parse_sender(text: &str) -> Result<SenderKey, String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&URL_SAFE, config).decode(text).ok();
    match bytes.and_then(|bytes| <[u8; 65]>::try_from(bytes).ok()) {
        Some(key) if key[0] == 4 => Ok(SenderKey(key)),
        _ => Err(
            "a VAPID public key is expected: 87 characters of base64url, as webpush-server keys prints it"
                .into(),
        ),
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
    fn senders_are_keys() {
        let key = format!("BA{}", "A".repeat(85));
        let limits = limits(&["--exempt-sender", &key, "--exempt-sender", &format!("{key}=")]);
        assert_eq!(limits.rates.exempt_senders.len(), 2);
        for wrong in ["", "BAAA", &key[1..], &format!("AA{}", &key[2..])] {
            assert!(parse_sender(wrong).is_err(), "{wrong}");
        }
    }
}
