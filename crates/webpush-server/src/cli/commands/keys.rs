//! `keys`: creates a VAPID key pair.

use crate::cli::exit::{Exit, Failure, report};
use crate::cli::render::terminal;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_client::private_file;
use webpush_client::vapid::VapidKey;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Create a key for an application server; web pages use the printed public key:
      webpush-server keys --out vapid.pem

  Create one for a program that reads JSON:
      webpush-server keys --json > vapid.json

Anyone with the private key can send as the application. Browsers bind a subscription to the public
key, so after a change every user must subscribe again.";

/// Create a VAPID key pair (RFC 8292)
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct KeysArgs {
    /// Write the private key to FILE (PEM, mode 600), and print only the public key
    ///
    /// Never overwrites a file.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub out: Option<PathBuf>,

    /// Print JSON: {"publicKey":…,"privateKey":…}
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyPairOutput {
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &KeysArgs) -> ExitCode {
    report(make(args))
}

fn make(args: &KeysArgs) -> Result<Exit, Failure> {
    let key = VapidKey::generate()?;
    let private_key = match &args.out {
        Some(path) => {
            private_file::create(path, key.expose_pem()?.as_bytes())?;
            None
        }
        None => Some(key.expose_private()?),
    };
    print(args.json, KeyPairOutput { public_key: key.public(), private_key }).map_err(Failure::Output)?;
    Ok(Exit::Success)
}

fn print(json: bool, keys: KeyPairOutput) -> std::io::Result<()> {
    match keys.private_key {
        _ if json => terminal::json(&keys),
        None => terminal::line(&keys.public_key),
        Some(private_key) => {
            terminal::line(&format!("Public key   {}\nPrivate key  {private_key}", keys.public_key))
        }
    }
}
