//! Tasks of this repository, run as `cargo xtask <task>`.

mod assets;
mod bench;
mod budget;
mod conformance;
mod fuzz;
mod hostile;
mod image;
mod interop;
mod load;
mod message;
mod model;
mod mutants;
mod package;
mod postgres;
mod scaling;
mod shell;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Generate the manual pages and shell completions that packages ship.
    Assets(assets::Options),
    /// Measure every goal next to the limits of this machine; writes docs/internals/benchmarks.md.
    Bench(bench::Options),
    /// Count the cost of one message under valgrind; fails over the budget in the repository.
    Budget(budget::Options),
    /// Run the fuzz targets on mutations of their corpora.
    Fuzz(fuzz::Options),
    /// Attack a server: honest clients must be served, and its memory must stay bounded.
    Hostile(hostile::Options),
    /// Build the file tree of the container image and run a service in it. Needs root.
    Image(image::Options),
    /// Run independent Web Push clients against the server and print a table of the results.
    Interop(interop::Options),
    /// Check the model of the delivery protocol, and traces of real sessions and stores against it.
    Model(model::Options),
    /// Put bugs in on purpose, and find the test that notices each.
    Mutants(mutants::Options),
    /// Load a server: many agents, more than it can carry, a realistic mix for hours.
    Load(load::Options),
    /// Build the Debian package, install it, run it by its unit, upgrade and purge it. Needs root.
    Package(package::Options),
    /// Run a command with a PostgreSQL, with or without standbys, that exists only for it.
    Postgres(postgres::Options),
    /// Compute what a service of a given size takes, from measured costs.
    Scaling(scaling::Options),
    /// Print every requirement of the RFCs with its test; fails if one has none.
    Conformance,
    /// Check the house rules: words, names, dependencies, import cycles, layout, links.
    Tidy(tidy::Options),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let is_good = match task {
        Task::Assets(options) => assets::run_task(&options)?,
        Task::Bench(options) => bench::run(&options)?,
        Task::Budget(options) => budget::run(&options)?,
        Task::Fuzz(options) => fuzz::run(&options)?,
        Task::Hostile(options) => hostile::run(&options)?,
        Task::Image(options) => image::run(&options)?,
        Task::Interop(options) => interop::run(&options)?,
        Task::Model(options) => model::run(&options)?,
        Task::Mutants(options) => mutants::run(&options)?,
        Task::Load(options) => load::run(&options)?,
        Task::Package(options) => package::run(&options)?,
        Task::Postgres(options) => return postgres::run(&options),
        Task::Scaling(options) => scaling::run(&options)?,
        Task::Conformance => conformance::run()?,
        Task::Tidy(options) => tidy::run(&options)?,
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
