//! Access, rate limits, connection limits and timeouts: one file for each table of the configuration.

use super::advanced::AdvancedArgs;
use super::connections::ConnectionArgs;
use super::memory::MemoryArgs;
use super::rates::RateArgs;
use super::subscribe::SubscribeArgs;
use super::timeouts::TimeoutArgs;
use webpush_service::limits::{Limits, Timeouts};

/// Flags for limits, in the order of the help.
#[derive(Debug, clap::Args)]
pub(crate) struct LimitArgs {
    #[command(flatten)]
    pub(crate) subscribe: SubscribeArgs,

    #[command(flatten)]
    rates: RateArgs,

    #[command(flatten)]
    pub(crate) connections: ConnectionArgs,

    #[command(flatten)]
    memory: MemoryArgs,

    #[command(flatten)]
    timeouts: TimeoutArgs,

    #[command(flatten)]
    advanced: AdvancedArgs,
}

impl LimitArgs {
    /// Returns the size at which a memtable is flushed, in bytes.
    pub(crate) const fn memtable(&self) -> u64 {
        self.advanced.memtable
    }

    /// Returns the limits with these values.
    pub(crate) fn apply(self, limits: Limits) -> Limits {
        let Self { rates, memory, timeouts, advanced, .. } = self;
        Limits {
            memory: memory.limit(),
            rates: rates.rates(),
            timeouts: Timeouts {
                head: advanced.head_timeout,
                body: advanced.body_timeout,
                stall: advanced.stall_timeout,
                keepalive: advanced.keepalive,
                hello: timeouts.hello_timeout,
                websocket_ping: timeouts.websocket_ping,
                websocket_pong: advanced.websocket_pong,
                drain_delay: timeouts.drain_delay,
                drain: timeouts.drain_window,
            },
            last_promised_stream: advanced.last_promised_stream,
            ..limits
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

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_service() {
        let limits = Flags::try_parse_from(["test"]).unwrap().limits.apply(Limits::default());
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()));
    }
}
