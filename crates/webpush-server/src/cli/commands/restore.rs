//! `restore`: creates a data directory from a backup.

use crate::cli::render::terminal;
use crate::cli::runtime::exit;
use std::path::PathBuf;
use std::process::ExitCode;
use webpush_admin::archive::{self, RestoreSummary};

/// Create a data directory from a backup
///
/// Verifies the whole file before it writes anything. Start the server with the new data directory and its old origin,
/// and every existing URL works. In a cluster (--store), import the file into a running node instead.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// Backup or export; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    /// New data directory; must not contain data of a server
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    data_dir: PathBuf,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &RestoreArgs) -> ExitCode {
    let restored = archive::restore(&args.file, &args.data_dir);
    let restored = restored.and_then(|RestoreSummary { counts, skipped }| {
        if skipped > 0 {
            terminal::warning(&format!(
                "skipped {skipped} of these: the store was damaged when the file was created, and what they belong to is \
                 missing"
            ));
        }
        Ok(terminal::line(&format!("{}: {counts}", args.data_dir.display()))?)
    });
    exit(restored)
}
