//! `cargo xtask assets`: the manual and the completions, made of the command line as it is declared and looked through by the
//! programs that will read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::shell::{files_in, run};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder that they are written to.
    #[arg(default_value = "target/assets")]
    folder: PathBuf,
}

/// Writes them and says what there is.
pub(crate) fn run_chore(options: &Options) -> Result<bool> {
    write(&options.folder)?;
    for folder in ["man", "completions"] {
        for file in files_in(&options.folder.join(folder))? {
            println!("{}", file.display());
        }
    }
    Ok(true)
}

/// Writes them. The whole workspace is named, so that nothing is compiled that `cargo test --workspace` has not compiled.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let build = ["build", "--quiet", "--locked", "--workspace", "--example", "assets"];
    run(Command::new(env!("CARGO")).args(build))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    run(Command::new(target.join("debug/examples/assets")).arg(folder))
}

/// Has `mandoc` and the shells look through all of it: a page that is badly set, or a completion that does not load or
/// completes nothing, is an error.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let pages = files_in(&folder.join("man"))?;
    ensure!(!pages.is_empty(), "no page of the manual was written");
    for page in &pages {
        // Pages without a date are meant: it would be that of the build.
        let said = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(page).output();
        let said = said.context("cannot run mandoc (Debian package mandoc)")?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let wrong: Vec<&str> = said.lines().filter(|line| !line.contains("missing date")).collect();
        ensure!(wrong.is_empty(), "mandoc finds in {}:\n{}", page.display(), wrong.join("\n"));
    }
    let page = fs::read_to_string(folder.join("man/webpush-server.1"))?;
    for section in
        ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "FILES", "ENVIRONMENT", "SIGNALS", "EXIT STATUS"]
    {
        ensure!(
            page.contains(&format!("\n.SH {section}\n")) || page.contains(&format!("\n.SH \"{section}\"\n")),
            "webpush-server(1) has no section {section}"
        );
    }
    let completions = folder.join("completions");
    run(Command::new("zsh").arg("-n").arg(completions.join("_webpush-server")))?;
    run(Command::new("fish").arg("--no-execute").arg(completions.join("webpush-server.fish")))?;
    completes(&completions.join("webpush-server.bash"))
}

/// What bash would offer after `webpush-server con` and the tabulator key.
fn completes(completion: &Path) -> Result<()> {
    let script = "source \"$1\"; COMP_WORDS=(webpush-server con); COMP_CWORD=1; COMPREPLY=()
        _webpush__server webpush-server con webpush-server; echo \"${COMPREPLY[@]}\"";
    let offered = Command::new("bash").args(["-c", script, "bash"]).arg(completion).output()?;
    let offered = String::from_utf8_lossy(&offered.stdout).into_owned();
    ensure!(
        offered.trim() == "config",
        "bash completes «webpush-server con» to «{}», not to config",
        offered.trim()
    );
    Ok(())
}
