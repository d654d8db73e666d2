//! Writes traces of real sessions and stores, which `cargo xtask model` checks.
//!
//! They are compared with the delivery protocol in `model/`.
//! Every other trace is of two nodes on a shared store whose notices are lost at times; the others are of a server on the
//! embedded store, on a disk that loses its power. A trace depends only on its seed.
//!
//! `cargo run -p webpush-service --example delivery_traces -- FILE FIRST_SEED COUNT`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a trace that fails has no result"
)]

mod agent_connection;
mod machine;
mod recorder;
mod world;

use std::fmt::Write as _;
use std::fs;
use world::World;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, first, count] = arguments.as_slice() else {
        panic!("usage: delivery_traces FILE FIRST_SEED COUNT");
    };
    let (first, count): (u64, u64) = (first.parse().expect("a seed"), count.parse().expect("a number"));
    let mut module = String::from("module traces {\n  import delivery.* from \"./delivery\"\n");
    let mut events = 0;
    for seed in first..first + count {
        let trace = trace(seed);
        events += trace.len();
        writeln!(module, "  pure val TRACE_{seed}: List[Event] = [\n    {}\n  ]", trace.join(",\n    "))
            .unwrap();
    }
    let names: Vec<String> = (first..first + count).map(|seed| format!("TRACE_{seed}")).collect();
    writeln!(module, "  pure val TRACES: List[List[Event]] = [{}]\n}}", names.join(", ")).unwrap();
    fs::write(file, module).expect("the file cannot be written");
    println!("{count} traces, {events} events");
}

fn trace(seed: u64) -> Vec<String> {
    // Timers of the service run in simulated time.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { World::new(seed).await.run().await })
}
