//! `keys`: makes a VAPID key pair.

use super::exit::{Exit, Failure, report};
use super::terminal;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_client::private_file;
use webpush_client::vapid::VapidKey;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  Make a key for an application server, and give web pages the printed public key:
      webpush-server keys --out vapid.pem

  Make one for a program that reads JSON:
      webpush-server keys --json > vapid.json

Anyone with the private key can send in the application's name. It cannot be changed without asking
every user again: browsers bind a subscription to the public key.";

/// Make a VAPID key pair, which identifies an application server (RFC 8292)
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct KeysArgs {
    /// Write the private key to FILE (PEM, for its owner only) and print only the public key
    ///
    /// A file that is there already is not overwritten.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub out: Option<PathBuf>,

    /// Print JSON: {"publicKey":…,"privateKey":…}
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &KeysArgs) -> ExitCode {
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
    print(args.json, Printed { public_key: key.public(), private_key }).map_err(Failure::Output)?;
    Ok(Exit::Success)
}

fn print(json: bool, keys: Printed) -> std::io::Result<()> {
    match keys.private_key {
        _ if json => terminal::json(&keys),
        None => terminal::line(&keys.public_key),
        Some(private_key) => {
            terminal::line(&format!("Public key   {}\nPrivate key  {private_key}", keys.public_key))
        }
    }
}
