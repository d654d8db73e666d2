//! Rate limits.

use clap::builder::BoolishValueParser;
use webpush_core::base64url;
use webpush_core::rate::RateLimit;
use webpush_core::subscription::SenderKey;
use webpush_service::limits::{IPV6_PREFIX, Rates};

/// Flags of the table `rates`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct RateArgs {
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

    /// Rate limit of reads that look through an inbox, per address; a step is 128 messages
    #[arg(long, env = "WEBPUSH_SERVER_RATES__SCAN", value_name = "RATE", default_value = "1000/s:10000")]
    scan_rate: RateLimit,

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
}

impl RateArgs {
    /// Returns the rate limits.
    pub(crate) fn rates(self) -> Rates {
        Rates {
            subscription: self.push_rate,
            agent: self.agent_rate,
            sender: self.sender_rate,
            exempt_senders: self.exempt_sender,
            registration: self.register_rate,
            receipts: self.receipt_rate,
            elsewhere: self.matrix_rate,
            scans: self.scan_rate,
            ipv6_prefix: self.ipv6_prefix,
            loopback: self.rate_limit_loopback,
        }
    }
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
        rates: RateArgs,
    }

    #[test]
    fn exempt_senders_are_keys() {
        let key = format!("BA{}", "A".repeat(85));
        let line = ["test", "--exempt-sender", &key, "--exempt-sender", &format!("{key}=")];
        let rates = Flags::try_parse_from(line).unwrap().rates.rates();
        assert_eq!(rates.exempt_senders.len(), 2);
        for wrong in ["", "BAAA", &key[1..], &format!("AA{}", &key[2..])] {
            assert!(parse_sender(wrong).is_err(), "{wrong}");
        }
    }
}
