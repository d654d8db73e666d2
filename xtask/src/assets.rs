//! `cargo xtask assets`: generates and checks manual pages and shell completions.
//!
//! They are generated from the declared command line, and checked with the programs that read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::shell::{files_in, run};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Output directory.
    #[arg(default_value = "target/assets")]
    directory: PathBuf,
}

/// Writes the assets and prints their paths.
pub(crate) fn run_task(options: &Options) -> Result<bool> {
    write(&options.directory)?;
    for directory in ["man", "completions"] {
        for file in files_in(&options.directory.join(directory))? {
            println!("{}", file.display());
        }
    }
    Ok(true)
}

/// Writes the assets.
///
/// Builds the whole workspace, to reuse the build of `cargo test --workspace`.
pub(crate) fn write(directory: &Path) -> Result<()> {
    let build = ["build", "--quiet", "--locked", "--workspace", "--example", "assets"];
    run(Command::new(env!("CARGO")).args(build))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    run(Command::new(target.join("debug/examples/assets")).arg(directory))
}

/// Checks the assets with `mandoc` and the shells.
///
/// Fails on a page with warnings, and on a completion that does not load or completes nothing.
pub(crate) fn check(directory: &Path) -> Result<()> {
    let pages = files_in(&directory.join("man"))?;
    ensure!(!pages.is_empty(), "no manual page was written");
    for page in &pages {
        // Pages have no date on purpose: it would be that of the build.
        let output = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(page).output();
        let output = output.context("cannot run mandoc (Debian package mandoc)")?;
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong: Vec<&str> = output.lines().filter(|line| !line.contains("missing date")).collect();
        ensure!(wrong.is_empty(), "mandoc finds in {}:\n{}", page.display(), wrong.join("\n"));
    }
    let page = fs::read_to_string(directory.join("man/webpush-server.1"))?;
    for section in
        ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "FILES", "ENVIRONMENT", "SIGNALS", "EXIT STATUS"]
    {
        ensure!(
            page.contains(&format!("\n.SH {section}\n")) || page.contains(&format!("\n.SH \"{section}\"\n")),
            "webpush-server(1) has no section {section}"
        );
    }
    let completions = directory.join("completions");
    run(Command::new("zsh").arg("-n").arg(completions.join("_webpush-server")))?;
    run(Command::new("fish").arg("--no-execute").arg(completions.join("webpush-server.fish")))?;
    completes(&completions.join("webpush-server.bash"))
}

/// Checks that bash completes `webpush-server confi` to `config`.
fn completes(completion: &Path) -> Result<()> {
    let script = "source \"$1\"; COMP_WORDS=(webpush-server confi); COMP_CWORD=1; COMPREPLY=()
        _webpush__server webpush-server confi webpush-server; echo \"${COMPREPLY[@]}\"";
    let offered = Command::new("bash").args(["-c", script, "bash"]).arg(completion).output()?;
    let offered = String::from_utf8_lossy(&offered.stdout).into_owned();
    ensure!(
        offered.trim() == "config",
        "bash completes `webpush-server confi` to `{}`, not to `config`",
        offered.trim()
    );
    Ok(())
}
