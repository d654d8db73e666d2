//! The command line: each command measures one thing and prints its figures.

use crate::figures::Figures;
use crate::null::{self, Null};
use crate::scenario::{absent, drain, hostile, idle, limit, online, restart, sessions, start, store};
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
    /// Deliver stored messages to agents that reconnect
    Drain(drain::Args),
    /// Attacks: what honest senders still get, and how much memory the server takes
    Hostile(hostile::Args),
    /// Idle agents: memory of each, connecting, processor time while idle
    Idle(idle::Args),
    /// Startup with an empty data directory
    Start(start::Args),
    /// A crash with many stored messages, until the first message is accepted again
    Restart(restart::Args),
    /// Many sessions in this process, on in-memory transports
    Sessions(sessions::Args),
    /// The store without a network
    Store(store::Args),
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
        Measurement::Hostile(args) => runtime.block_on(hostile::run(&args)),
        Measurement::Idle(args) => runtime.block_on(idle::run(&args)),
        Measurement::Start(args) => start::run(&args),
        Measurement::Restart(args) => runtime.block_on(restart::run(&args)),
        Measurement::Sessions(args) => runtime.block_on(sessions::run(&args)),
        Measurement::Store(args) => store::run(&args),
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
        ] {
            let words = std::iter::once("webpush-load").chain(line.split(' '));
            assert!(Measurement::try_parse_from(words).is_ok(), "{line}");
        }
        assert!(
            Measurement::try_parse_from(["webpush-load", "online", "--server", "x", "--pid", "1"]).is_err()
        );
    }
}
