//! Flags of `serve` that say how much is stored, and for how long it is kept unused.

use super::values::{parse_size, parse_time};
use std::time::Duration;
use webpush_service::limits::Limits;
use webpush_store::IdleLimits;
use webpush_store::Quota;

/// ServerConfig of storage.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageArgs {
    /// Undelivered messages of one user agent; beyond, the least urgent and oldest are dropped
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__QUOTA_MESSAGES", value_name = "N", default_value_t = 100_000)]
    quota_messages: u64,

    /// Bytes of the undelivered messages of one user agent: a number, or with KiB, MiB or GiB
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__QUOTA_BYTES", value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    quota_bytes: u64,

    /// Receipts that wait for one application server; beyond, the oldest are dropped
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__QUOTA_RECEIPTS", value_name = "N", default_value_t = 10_000)]
    quota_receipts: u64,

    /// Subscriptions of one user agent; one more is refused
    #[arg(
        long,
        env = "WEBPUSH_SERVER_STORAGE__QUOTA_SUBSCRIPTIONS",
        value_name = "N",
        default_value_t = 10_000
    )]
    quota_subscriptions: u64,

    /// Forget a user agent that never listened and has no message after this long
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__FORGET_NEW_AFTER", value_name = "TIME", default_value = "24h", value_parser = parse_idle)]
    forget_new_after: Duration,

    /// Forget a user agent or receipt subscription that has not listened for this long
    #[arg(long, env = "WEBPUSH_SERVER_STORAGE__FORGET_IDLE_AFTER", value_name = "TIME", default_value = "60d", value_parser = parse_idle)]
    forget_idle_after: Duration,
}

impl StorageArgs {
    /// How much one inbox may hold.
    pub(super) const fn quota(&self) -> Quota {
        Quota {
            messages: self.quota_messages,
            body_bytes: self.quota_bytes,
            receipts: self.quota_receipts,
            subscriptions: self.quota_subscriptions,
        }
    }

    /// These limits in the place of the defaults.
    pub(super) fn apply(&self, limits: Limits) -> Limits {
        let idle = IdleLimits { never_monitored: self.forget_new_after, unused: self.forget_idle_after };
        Limits { idle, ..limits }
    }
}

/// Stores keep this time by the hour, so less than two hours would mean none.
fn parse_idle(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    let least = Duration::from_secs(2 * 3600);
    if time < least {
        Err("at least 2h is needed: unused agents are looked for by the hour".into())
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        storage: StorageArgs,
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_service() {
        let Flags { storage } = Flags::try_parse_from(["test"]).unwrap();
        assert_eq!(storage.quota(), Quota::default());
        assert_eq!(storage.apply(Limits::default()).idle, IdleLimits::default());
        for wrong in ["0", "1h", "soon"] {
            assert!(Flags::try_parse_from(["test", "--forget-idle-after", wrong]).is_err(), "{wrong}");
        }
    }
}
