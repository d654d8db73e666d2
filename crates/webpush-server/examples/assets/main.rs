//! Generates manual pages and shell completions from the declared command line.
//!
//!     cargo run -p webpush-server --example assets -- DIRECTORY

mod page;

use anyhow::Context as _;
use clap::Command;
use clap_complete::Shell;
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "webpush-server";

fn main() -> anyhow::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from).context("missing argument: DIRECTORY")?;
    let mut command = webpush_server::cli::command();
    command.build();
    manual(&command, &directory.join("man"))?;
    completions(&mut command, &directory.join("completions"))
}

/// Writes a page for the program, and one for each command.
fn manual(command: &Command, directory: &Path) -> anyhow::Result<()> {
    create_empty(directory)?;
    let write = |name: &str, text: Vec<u8>| {
        let path = directory.join(format!("{name}.1"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(NAME, page::for_program(command)?)?;
    for subcommand in page::visible(command) {
        write(&format!("{NAME}-{}", subcommand.get_name()), page::for_command(command, subcommand)?)?;
    }
    Ok(())
}

fn completions(command: &mut Command, directory: &Path) -> anyhow::Result<()> {
    create_empty(directory)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, command, NAME, directory)
            .with_context(|| format!("cannot write the completion for {shell}"))?;
    }
    Ok(())
}

/// Creates an empty directory, without pages of commands that no longer exist.
fn create_empty(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))
}
