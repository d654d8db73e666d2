//! Quotas, and the expiry of idle agents.

use crate::cli::args::values::{parse_size, parse_time};
use std::time::Duration;
use webpush_config::setting::{FormerKey, NeedsRestart};
use webpush_service::limits::Limits;
use webpush_store::IdleLimits;
use webpush_store::Quota;

/// Flags for storage.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Storage")]
pub(crate) struct StorageArgs {
    /// Maximum number of undelivered messages per user agent
    ///
    /// When it is exceeded, the least urgent messages are dropped, and of those the oldest.
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__QUOTA_MESSAGES", add = NeedsRestart, value_name = "N", default_value_t = 100_000)]
    quota_messages: u64,

    /// Maximum size of the undelivered messages per user agent: bytes, or a number with KiB, MiB or GiB
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__QUOTA_BYTES", add = NeedsRestart, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    quota_bytes: u64,

    /// Maximum number of undelivered receipts per application server; when exceeded, the oldest are dropped
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__QUOTA_RECEIPTS", add = NeedsRestart, value_name = "N", default_value_t = 10_000)]
    quota_receipts: u64,

    /// Maximum number of subscriptions per user agent; further ones are refused
    #[arg(
        long,
        env = "WEBPUSH_SERVER_STORAGE__QUOTA_SUBSCRIPTIONS", add = NeedsRestart,
        value_name = "N",
        default_value_t = 10_000
    )]
    quota_subscriptions: u64,

    /// Maximum memory for cached subscriptions and inboxes, about 150 bytes per user agent
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__ROW_CACHE", add = NeedsRestart, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    row_cache: u64,

    /// Space to reserve on the volume of the data directory, at most a quarter of it
    ///
    /// Half of it is kept free: with less, new messages, agents and subscriptions are refused (503 store-full), while
    /// messages can still be received, acknowledged and deleted. The other half is a file that is removed when other
    /// programs fill the volume. 0 reserves nothing.
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__RESERVE", add = NeedsRestart, value_name = "SIZE", default_value = "128MiB", value_parser = parse_size)]
    reserve: u64,

    /// After this time, expire a user agent that never connected and has no messages
    #[arg(
        long,
        alias = "forget-new-after",
        env = "WEBPUSH_SERVER_STORAGE__EXPIRE_UNUSED_AFTER", add = FormerKey("forget_new_after"),
        value_name = "TIME",
        default_value = "24h",
        value_parser = parse_idle
    )]
    expire_unused_after: Duration,

    /// Expire a user agent or receipt subscription that has not connected for this time
    #[arg(
        long,
        alias = "forget-idle-after",
        env = "WEBPUSH_SERVER_STORAGE__EXPIRE_IDLE_AFTER", add = FormerKey("forget_idle_after"),
        value_name = "TIME",
        default_value = "60d",
        value_parser = parse_idle
    )]
    expire_idle_after: Duration,
}

impl StorageArgs {
    /// Returns the quotas.
    pub(crate) const fn quota(&self) -> Quota {
        Quota {
            messages: self.quota_messages,
            body_bytes: self.quota_bytes,
            receipts: self.quota_receipts,
            subscriptions: self.quota_subscriptions,
        }
    }

    /// Returns the limit of the row cache, in bytes.
    pub(crate) const fn row_cache(&self) -> u64 {
        self.row_cache
    }

    /// Returns the space to keep free, in bytes.
    pub(crate) const fn reserve(&self) -> u64 {
        self.reserve
    }

    /// Returns the limits with these values.
    pub(crate) fn apply(&self, limits: Limits) -> Limits {
        let idle = IdleLimits { never_monitored: self.expire_unused_after, unused: self.expire_idle_after };
        Limits { idle, ..limits }
    }
}

/// Parses a time of at least two hours: stores record activity by the hour.
fn parse_idle(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    let least = Duration::from_secs(2 * 3600);
    if time < least { Err("expected at least 2h: idle agents are removed hourly".into()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use webpush_store::embedded::Options;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        storage: StorageArgs,
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_service() {
        let Flags { storage } = Flags::try_parse_from(["test"]).unwrap();
        assert_eq!(storage.quota(), Quota::default());
        assert_eq!(storage.row_cache(), Options::default().row_cache_bytes);
        assert_eq!(storage.reserve(), Options::default().reserve_bytes);
        assert_eq!(storage.apply(Limits::default()).idle, IdleLimits::default());
        for wrong in ["0", "1h", "soon"] {
            assert!(Flags::try_parse_from(["test", "--expire-idle-after", wrong]).is_err(), "{wrong}");
        }
    }
}
