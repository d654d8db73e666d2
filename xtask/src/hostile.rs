//! `cargo xtask hostile`: attacks a server.
//!
//! It fails if honest senders get too little, or if the server takes too much memory.
//! The attacks and their limits are in `webpush-load/src/scenario/hostile`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const LOAD: &str = "target/dist/webpush-load";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The server to attack [default: build it with the profile `dist`]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Seconds of each attack
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
    /// Attacks to run [default: all]
    #[arg(long, value_name = "ATTACK", value_delimiter = ',')]
    only: Vec<String>,
}

/// Runs the attacks; returns false if one succeeds.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    build(root, &["--package", "webpush-load", "--bin", "webpush-load"])?;
    let server = match &options.server {
        Some(server) => server.clone(),
        None => {
            build(root, &["--package", "webpush-server", "--features", "pkcs12"])?;
            "target/dist/webpush-server".into()
        }
    };
    let mut command = Command::new(root.join(LOAD));
    command.current_dir(root).arg("hostile").arg("--server").arg(server);
    command.args(["--seconds", &options.seconds.to_string()]);
    if !options.only.is_empty() {
        command.args(["--only", &options.only.join(",")]);
    }
    Ok(command.status().context("cannot run webpush-load")?.success())
}

fn build(root: &Path, what: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--profile", "dist"]).args(what).current_dir(root);
    ensure!(command.status()?.success(), "cannot build {}", what.join(" "));
    Ok(())
}
