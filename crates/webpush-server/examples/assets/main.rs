//! Writes what packages ship beside the program: pages of the manual, and completions for shells. All of it follows from
//! the command line as it is declared.
//!
//!     cargo run -p webpush-server --example assets -- FOLDER

mod page;

use anyhow::Context as _;
use clap::Command;
use clap_complete::Shell;
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "webpush-server";

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).context("say the folder to write to")?;
    let mut command = webpush_server::cli::command();
    command.build();
    manual(&command, &folder.join("man"))?;
    completions(&mut command, &folder.join("completions"))
}

/// A page for the program, and one for each of its verbs.
fn manual(command: &Command, folder: &Path) -> anyhow::Result<()> {
    fresh(folder)?;
    let write = |name: &str, text: Vec<u8>| {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
    };
    write(NAME, page::of_the_program(command)?)?;
    for verb in page::visible(command) {
        write(&format!("{NAME}-{}", verb.get_name()), page::of_a_verb(command, verb)?)?;
    }
    Ok(())
}

fn completions(command: &mut Command, folder: &Path) -> anyhow::Result<()> {
    fresh(folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, command, NAME, folder)
            .with_context(|| format!("the completion for {shell} can't be written"))?;
    }
    Ok(())
}

/// An empty folder: a page of a verb that is no more would be shipped otherwise.
fn fresh(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} can't be emptied", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))
}
