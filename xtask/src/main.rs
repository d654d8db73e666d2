//! Chores of this repository, run as `cargo xtask <chore>`.

mod bench;
mod budget;
mod conformance;
mod interop;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Measure every goal on this machine beside the limits of the machine, and write docs/benchmarks.md.
    Bench(bench::Options),
    /// Count what one message costs, under valgrind, and fail where that is more than the budget in the repository.
    Budget(budget::Options),
    /// Run independent Web Push clients against the server and print a table of what worked.
    Interop(interop::Options),
    /// Print every requirement of the RFCs with the test that defends it; fail when one has none.
    Conformance,
    /// Check the house rules that no lint knows.
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Chore::parse() {
        Chore::Bench(options) => bench::run(&options),
        Chore::Budget(options) => budget::run(&options),
        Chore::Interop(options) => interop::run(&options),
        Chore::Conformance => conformance::run(),
        Chore::Tidy => tidy::run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
