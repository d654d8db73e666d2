//! `backup` and `export`: the data of the running server in a file.

mod output;

use crate::cli::admin_client::{AdminAt, AdminClient, next_piece};
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use clap::ArgMatches;
use http::Method;
use output::Output;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use webpush_admin::archive::{ArchiveReader, Counts, LINE_BYTES};

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
      webpush-server backup /var/backups/webpush-$(date +%F)
      webpush-server restore /var/backups/webpush-2026-11-25 --data-dir /var/lib/webpush-new
      webpush-server backup - | gzip > webpush.gz

The file holds every message and the keys of every URL. Anyone who has it can send to all agents and
receive their messages: protect it like the data directory. It is created with mode 600.";

/// Back up the running server to a file
///
/// The backup is online: it has everything that the server acknowledged before the command began. It is verified while
/// it is written, and replaces an older file only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    at: AdminAt,

    /// File to write; - is standard output
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Export agents, messages and keys as JSON
///
/// For other programs and for import. The file holds the same secrets as a backup.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    at: AdminAt,

    /// File to write; - is standard output
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Runs `backup`.
#[must_use]
pub(crate) fn run(args: &BackupArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| fetch(client, "/admin/backup", &args.file))
}

/// Runs `export`.
#[must_use]
pub(crate) fn run_export(args: &ExportArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| fetch(client, "/admin/export", &args.file))
}

async fn fetch(client: AdminClient, path: &str, file: &Path) -> anyhow::Result<()> {
    let mut output = Output::begin(file)?;
    let counts = fetch_into(&client, path, &mut output, file).await?;
    let is_free = output.leaves_standard_output();
    output.commit()?;
    let summary = format!("{}: {counts}", file.display());
    if is_free {
        return Ok(terminal::line(&summary)?);
    }
    terminal::note(&summary);
    Ok(())
}

/// Writes the response as it arrives, and checks that it is complete.
async fn fetch_into(
    client: &AdminClient,
    path: &str,
    output: &mut Output,
    file: &Path,
) -> anyhow::Result<Counts> {
    let mut body = client.demand(Method::GET, path, Bytes::new()).await?.into_body();
    let (mut reader, mut rest) = (ArchiveReader::default(), BytesMut::new());
    while let Some(piece) = next_piece(&mut body).await? {
        output.write_all(&piece).with_context(|| format!("cannot write {}", file.display()))?;
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            reader.read_line(&line[..end]).context("the server sent an invalid archive")?;
        }
        if rest.len() > LINE_BYTES {
            bail!("the server sent an invalid archive: a line is longer than {LINE_BYTES} bytes");
        }
    }
    reader.finish().context("the server sent an incomplete archive")
}
