//! `cargo xtask hostile`: attacks a server.
//!
//! It fails if honest clients are not served, if the server takes too much memory, or if an attacker's connection does not
//! end as it should. The attacks and their limits are in `webpush-load/src/scenario/hostile`.

use std::path::PathBuf;

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The server to attack [default: build it with the profile `dist`]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Seconds of each attack that is measured by the rate of honest senders
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
    /// Attacks to run, or families of them [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// List the attacks
    #[arg(long)]
    list: bool,
}

/// Runs the attacks; returns false if one succeeds.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut arguments = vec!["--seconds".to_owned(), options.seconds.to_string()];
    if !options.only.is_empty() {
        arguments.extend(["--only".to_owned(), options.only.join(",")]);
    }
    if options.list {
        arguments.push("--list".to_owned());
    }
    crate::load::start(options.server.as_deref(), "hostile", &arguments)
}
