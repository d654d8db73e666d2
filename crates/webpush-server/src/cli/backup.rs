//! `backup` and `export`: what the running service holds, in a file.

use super::admin_client::{AdminAt, AdminClient, next_piece};
use super::{asking, terminal};
use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use clap::ArgMatches;
use http::Method;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use webpush_admin::archive::{Counts, LINE_BYTES, Reader};

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
      webpush-server backup /var/backups/webpush-$(date +%F)
      webpush-server restore /var/backups/webpush-2026-11-25 --data-dir /var/lib/webpush-new

The file holds every message and the keys of every URL: keep it as safe as the data folder. Whoever has
it can send to all agents, and receive as they do. It is made for its owner only (mode 600).";

/// Write all that the running service holds into a file, while it goes on
///
/// What was answered to anybody before this began is in the file. It is checked while it is written, and is there whole or
/// not at all; an older file of the name is replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct BackupArgs {
    #[command(flatten)]
    at: AdminAt,

    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Write agents, subscriptions, messages, receipts and keys into a file for another service
///
/// It has one JSON object a line, as docs/backup.md says, and the same secrets as a backup.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    at: AdminAt,

    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Runs `backup`.
#[must_use]
pub fn run(args: &BackupArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| fetch(client, "/admin/backup", &args.file))
}

/// Runs `export`.
#[must_use]
pub fn run_export(args: &ExportArgs, line: &ArgMatches) -> ExitCode {
    asking(line, |client| fetch(client, "/admin/export", &args.file))
}

async fn fetch(client: AdminClient, path: &str, file: &Path) -> anyhow::Result<()> {
    let beside = beside(file)?;
    let cannot = || format!("{} can't be written", file.display());
    let fetched = async {
        let counts = fetch_into(&client, path, &beside).await?;
        fs::rename(&beside, file).with_context(cannot)?;
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        // A name is safe when its folder is.
        File::open(parent.unwrap_or_else(|| Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .with_context(cannot)?;
        Ok(counts)
    };
    match fetched.await {
        Ok(counts) => Ok(terminal::line(&format!("{}: {counts}", file.display()))?),
        Err(error) => {
            // It may not be there.
            drop(fs::remove_file(&beside));
            Err(error)
        }
    }
}

/// Writes an answer as it comes, and checks that it is whole.
async fn fetch_into(client: &AdminClient, path: &str, beside: &Path) -> anyhow::Result<Counts> {
    let cannot = || format!("{} can't be written", beside.display());
    let mut body = client.demand(Method::GET, path, Bytes::new()).await?.into_body();
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside).with_context(cannot)?;
    let mut file = BufWriter::new(file);
    let (mut reader, mut rest) = (Reader::default(), BytesMut::new());
    while let Some(piece) = next_piece(&mut body).await? {
        file.write_all(&piece).with_context(cannot)?;
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            reader.take(&line[..end]).context("what the service sends can't be used")?;
        }
        if rest.len() > LINE_BYTES {
            bail!("what the service sends has a line that is too long");
        }
    }
    let counts = reader.finish().context("what the service sent is not whole")?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all().with_context(cannot)?;
    Ok(counts)
}

/// A name in the same folder, for a file that is not whole yet.
fn beside(file: &Path) -> anyhow::Result<PathBuf> {
    let name = file.file_name().with_context(|| format!("{} names no file", file.display()))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", std::process::id()));
    Ok(file.with_file_name(hidden))
}
