//! The list of commands that `webpush-server --help` prints: one screen, by task.

use clap::Command;

/// Commands by task. Two that share a line are described by the first.
const TASKS: [(&str, &[&str]); 5] = [
    ("Server", &["serve", "config", "health", "doctor"]),
    ("Administration", &["agents", "subscriptions", "backlog", "trace", "log-id", "sealing-keys"]),
    ("Data", &["backup", "restore", "repair", "export, import", "migrate", "cells"]),
    ("Clients", &["listen", "send", "keys", "explain"]),
    ("Testing", &["dev", "conform"]),
];

/// Returns the help of the program.
pub(crate) fn overview(program: &Command) -> String {
    let about = program.get_about().map(ToString::to_string).unwrap_or_default();
    // The list says which command is the default.
    let about = about.split(". ").next().unwrap_or_default();
    let mut text = format!("{about}. Usage: webpush-server [COMMAND] [OPTIONS]\n");
    for (task, names) in TASKS {
        for (number, name) in names.iter().enumerate() {
            let task = if number == 0 { task } else { "" };
            let first = name.split(", ").next().unwrap_or_default();
            let about = program.find_subcommand(first).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("{task:<15}{name:<14} {about}\n"));
        }
    }
    text.push_str("Help: COMMAND --help; server flags: serve -h, serve --help. Version: --version");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn help_fits_a_screen_and_lists_every_command() {
        let program = command();
        let text = overview(&program);
        assert!(text.lines().count() <= 24, "{} lines", text.lines().count());
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let listed: Vec<_> =
            TASKS.iter().flat_map(|(_, names)| names.iter().flat_map(|names| names.split(", "))).collect();
        for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(listed.contains(&command.get_name()), "{}", command.get_name());
        }
        for name in listed {
            let about = program.find_subcommand(name).unwrap().get_about().unwrap().to_string();
            assert!(about.chars().next().unwrap().is_uppercase() && !about.ends_with('.'), "{name}: {about}");
        }
    }
}
