//! `restore`: a new data folder from a backup.

use super::{exit, terminal};
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_admin::archive::{self, Restored};

/// Make a new data folder from a backup or an export
///
/// The file is read to its end and checked before anything is written. Start the service on the folder after that, with the
/// origin that it had: then every URL works as before.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    /// The new data folder; it must hold nothing of a service yet
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    data_dir: PathBuf,
}

/// Runs the verb.
#[must_use]
pub fn run(args: &RestoreArgs) -> ExitCode {
    let restored = archive::restore(&args.file, &args.data_dir);
    let said = restored.and_then(|Restored { counts, left_out }| {
        if left_out > 0 {
            terminal::warning(&format!(
                "{left_out} of these were left out: the store that the file is of was damaged, and what they belong to could \
                 not be read"
            ));
        }
        Ok(terminal::line(&format!("{}: {counts}", args.data_dir.display()))?)
    });
    exit(said)
}
