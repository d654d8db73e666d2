//! The command line: each command measures one thing and prints its figures.

use crate::figures::Figures;
use crate::null::{self, Null};
use crate::scenario::{
    absent, cluster, drain, held, hostile, idle, limit, online, overload, reconnect, restart, sessions, soak,
    start, store,
};
use clap::Parser;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Load for push services on this machine, and the limits of the machine.
///
/// Prints one figure per line. Processor time is that of the server alone, even if the load runs on the same cores.
#[derive(Parser)]
#[command(name = "webpush-load")]
enum Measurement {
    /// Messages to connected agents: pushed, stored, delivered, acknowledged
    Online(online::Args),
    /// Messages to agents that are not connected
    Absent(absent::Args),
    /// Deliver stored messages to agents that reconnect at once
    Drain(drain::Args),
    /// Agents on real sockets: messages to random ones, to all, and while all reconnect at once
    Held(held::Args),
    /// Attacks: what honest senders still get, and how much memory the server takes
    Hostile(hostile::Args),
    /// Idle agents: memory of each, connecting, processor time while idle
    Idle(idle::Args),
    /// More load than a server with little memory can carry: it refuses, and keeps what it has accepted
    Overload(overload::Args),
    /// Agents and senders of all kinds for minutes or hours: memory, descriptors and store must not grow
    Soak(soak::Args),
    /// Startup with an empty data directory
    Start(start::Args),
    /// A crash with many stored messages, until the first message is accepted again
    Restart(restart::Args),
    /// Many sessions in this process, on in-memory transports
    Sessions(sessions::Args),
    /// The store without a network
    Store(store::Args),
    /// The store of a cluster without nodes
    Cluster(cluster::Args),
    /// A node of a cluster that is killed, until all of its agents are served by others
    Reconnect(reconnect::Args),
    /// The limits of this machine
    Limit(limit::Args),
    /// A server that does nothing, for `limit`
    #[command(hide = true)]
    Null {
        /// Its protocol
        null: Null,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match measure(Measurement::parse()) {
        Ok(figures) => {
            print!("{}", figures.lines());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("webpush-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(measurement: Measurement) -> anyhow::Result<Figures> {
    let runtime = Runtime::new()?;
    match measurement {
        Measurement::Online(args) => runtime.block_on(online::run(&args)),
        Measurement::Absent(args) => runtime.block_on(absent::run(&args)),
        Measurement::Drain(args) => runtime.block_on(drain::run(&args)),
        Measurement::Held(args) => runtime.block_on(held::run(&args)),
        Measurement::Hostile(args) => runtime.block_on(hostile::run(&args)),
        Measurement::Idle(args) => runtime.block_on(idle::run(&args)),
        Measurement::Overload(args) => runtime.block_on(overload::run(&args)),
        Measurement::Soak(args) => runtime.block_on(soak::run(&args)),
        Measurement::Start(args) => start::run(&args),
        Measurement::Restart(args) => runtime.block_on(restart::run(&args)),
        Measurement::Sessions(args) => runtime.block_on(sessions::run(&args)),
        Measurement::Store(args) => store::run(&args),
        Measurement::Cluster(args) => runtime.block_on(cluster::run(&args)),
        Measurement::Reconnect(args) => runtime.block_on(reconnect::run(&args)),
        Measurement::Limit(args) => runtime.block_on(limit::run(&args)),
        Measurement::Null { null } => runtime.block_on(null::serve(null)).map(|()| Figures::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_options_fit_together() {
        Measurement::command().debug_assert();
        for line in [
            "online --server x --http 2 --vapid fresh --rate 500 --size mixed",
            "online --origin http://127.0.0.1:1 --pid 1,2 --via push --monitors-per-connection 50",
            "idle --server x --tls --server-arg=--keepalive=1h",
            "limit http --http 2 --in-flight 8",
            "limit held --agents 100",
            "online --server x --in-flight 512 --half-capacity",
            "held --server x --agents 100 --rate 50",
            "hostile --server x --only ping-flood,resets",
            "overload --server x --limit 128",
            "soak --server x --minutes 0.5 --out soak.csv",
            "online --server x --nodes 3 --listen-at 1 --push-at 2,3 --filled 1000",
        ] {
            let words = std::iter::once("webpush-load").chain(line.split(' '));
            assert!(Measurement::try_parse_from(words).is_ok(), "{line}");
        }
        for line in ["online --server x --pid 1", "online --server x --half-capacity --rate 5"] {
            let words = std::iter::once("webpush-load").chain(line.split(' '));
            assert!(Measurement::try_parse_from(words).is_err(), "{line}");
        }
    }
}
