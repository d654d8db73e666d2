//! The binary.

use clap::Parser;
use std::process::ExitCode;
use webpush_server::cli::{keys, listen, send};

#[derive(Parser)]
#[command(name = "webpush-server", version)]
enum Command {
    Listen(listen::ListenArgs),
    Send(send::SendArgs),
    Keys(keys::KeysArgs),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Listen(args) => listen::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Keys(args) => keys::run(&args),
    }
}
