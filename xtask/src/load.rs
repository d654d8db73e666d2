//! `cargo xtask load`: a command of `webpush-load` on a server of its own, both built as they ship.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const LOAD: &str = "target/dist/webpush-load";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The server to load [default: build it with the profile `dist`]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// The command, with its options: `held`, `overload`, `soak`, ...
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the command; returns false if it fails.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let Some((command, arguments)) = options.command.split_first() else { return Ok(false) };
    start(options.server.as_deref(), command, arguments)
}

/// Builds `webpush-load`, and the server unless there is one, and runs a command.
///
/// Returns false if it fails.
pub(crate) fn start(server: Option<&Path>, command: &str, arguments: &[String]) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    build(root, &["--package", "webpush-load", "--bin", "webpush-load"])?;
    let server = match server {
        Some(server) => server.to_owned(),
        None => {
            build(root, &["--package", "webpush-server", "--features", "pkcs12"])?;
            "target/dist/webpush-server".into()
        }
    };
    let mut load = Command::new(root.join(LOAD));
    load.current_dir(root).arg(command).arg("--server").arg(server).args(arguments);
    Ok(load.status().context("cannot run webpush-load")?.success())
}

fn build(root: &Path, what: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--profile", "dist"]).args(what).current_dir(root);
    ensure!(command.status()?.success(), "cannot build {}", what.join(" "));
    Ok(())
}
