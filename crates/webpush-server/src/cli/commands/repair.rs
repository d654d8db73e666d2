//! `repair`: rebuilds a damaged store from what can be read of it.

use crate::cli::render::terminal;
use crate::cli::runtime::exit;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use webpush_admin::data_dir::{finish_repair, has_store, repair_store};
use webpush_store::embedded::Options;

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
      systemctl stop webpush-server
      webpush-server repair --data-dir /var/lib/webpush-server
      systemctl start webpush-server

Run it as the user of the server. It needs free space for a second store.";

/// Repair the damaged store of a stopped server
///
/// Builds a new store from all agents, subscriptions and messages that can be read of the old one, whether or not the
/// server still starts, and prints what is lost. The old store is kept beside it. Requests for what is lost return
/// 404 from then on, and 503 until then. The nodes of a cluster (--store) have no store of their own: repair its database
/// with the means of PostgreSQL.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct RepairArgs {
    /// Data directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    data_dir: PathBuf,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &RepairArgs) -> ExitCode {
    exit(repair(&args.data_dir))
}

fn repair(data_dir: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot repair {}", data_dir.display());
    finish_repair(data_dir).with_context(failed)?;
    if !has_store(data_dir) {
        bail!(
            "{} has no store to repair: restore a backup into a new directory. The nodes of a cluster have their messages in \
             a database (--store), to which this command does not apply",
            data_dir.display()
        );
    }
    let repaired = repair_store(data_dir, Options::default());
    let report = repaired.with_context(failed)?;
    Ok(terminal::line(&report.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_store_is_told_from_a_damaged_one() {
        let directory = tempfile::tempdir().unwrap();
        let error = repair(directory.path()).unwrap_err().to_string();
        assert!(error.contains("has no store") && error.contains("--store"), "{error}");
    }
}
