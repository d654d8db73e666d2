//! Chores of this repository, run as `cargo xtask <chore>`.

mod assets;
mod bench;
mod budget;
mod conformance;
mod image;
mod interop;
mod message;
mod package;
mod shell;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Write the pages of the manual and the completions for shells that packages ship.
    Assets(assets::Options),
    /// Measure every goal on this machine beside the limits of the machine, and write docs/internals/benchmarks.md.
    Bench(bench::Options),
    /// Count what one message costs, under valgrind, and fail where that is more than the budget in the repository.
    Budget(budget::Options),
    /// Build the file tree of the container image, and run a service in it as the Containerfile says. As root.
    Image(image::Options),
    /// Run independent Web Push clients against the server and print a table of what worked.
    Interop(interop::Options),
    /// Build the Debian package of the release build, install it, run it as its unit says, upgrade and purge it. As root.
    Package(package::Options),
    /// Print every requirement of the RFCs with the test that defends it; fail when one has none.
    Conformance,
    /// Check the house rules that no lint knows.
    Tidy(tidy::Options),
}

fn main() -> ExitCode {
    let outcome = match Chore::parse() {
        Chore::Assets(options) => assets::run_chore(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Budget(options) => budget::run(&options),
        Chore::Image(options) => image::run(&options),
        Chore::Interop(options) => interop::run(&options),
        Chore::Package(options) => package::run(&options),
        Chore::Conformance => conformance::run(),
        Chore::Tidy(options) => tidy::run(&options),
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
