//! `import`: adds the agents of another server to the running one.

use crate::cli::admin_client::{AdminAt, AdminClient};
use crate::cli::render::terminal;
use crate::cli::runtime::with_admin;
use anyhow::Context as _;
use bytes::Bytes;
use clap::ArgMatches;
use http::Method;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::sync::mpsc::{self, Receiver};
use webpush_admin::archive::{ArchiveFile, ArchiveReader, Counts, LINE_BYTES, lines};

const PIECE_BYTES: usize = 64 * 1024;
/// Maximum number of pieces waiting to be sent.
const PIECES: usize = 4;

/// Import a backup or an export
///
/// Verifies the file before it sends anything. Agents that already exist are left unchanged. Existing URLs work if this
/// server has the origin of the other one.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    at: AdminAt,

    /// File to import; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &ImportArgs, line: &ArgMatches) -> ExitCode {
    with_admin(line, |client| send(client, &args.file))
}

async fn send(client: AdminClient, file: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot import {}", file.display());
    let input = ArchiveFile::open(file).with_context(cannot)?;
    let whole = check(&input).with_context(cannot)?;
    let answer = client.send(Method::POST, "/admin/import", pieces(input).with_context(cannot)?);
    let answer = answer.await.with_context(cannot)?;
    let added: Counts =
        serde_json::from_value(answer["added"].clone()).context("the server sent an invalid answer")?;
    Ok(terminal::line(&format!("imported {added}; the file has {whole}"))?)
}

fn check(input: &ArchiveFile) -> anyhow::Result<Counts> {
    let mut reader = ArchiveReader::default();
    for line in lines(input.read(2 * LINE_BYTES)?) {
        reader.read_line(&line?)?;
    }
    Ok(reader.finish()?)
}

/// Reads the file on a thread of its own.
fn pieces(input: ArchiveFile) -> io::Result<Receiver<io::Result<Bytes>>> {
    let mut file = input.into_file()?;
    let (sender, pieces) = mpsc::channel(PIECES);
    std::thread::Builder::new().name("import".to_owned()).spawn(move || {
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
            let is_end = !matches!(read, Ok(1..));
            let piece = match read {
                Ok(0) => break,
                read => read.map(|_| Bytes::from(piece)),
            };
            if sender.blocking_send(piece).is_err() || is_end {
                break;
            }
        }
    })?;
    Ok(pieces)
}
