//! `migrate`: moves a service between the store of one machine and the database of a cluster.

mod database;
mod location;
mod newer;
mod progress;
mod source;
mod target;

use crate::cli::render::terminal;
use crate::cli::runtime::{block_on, exit};
use crate::store_config::StoreConfig;
use anyhow::{Context as _, bail};
use location::Location;
use progress::PassProgress;
use source::MigrationSource;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_admin::migration::{self, MigrationCounts};
use webpush_service::secret::Secret;
use webpush_store::{Backend, Detail, Store as _};

const HELP: &str = "\
\x1b[1m\x1b[4mExamples:\x1b[0m
  To a cluster, most of it while the server runs:
      to=postgres://webpush@db.example/webpush
      webpush-server backup /var/tmp/backup
      webpush-server migrate --from /var/tmp/backup --to $to --store-secret-file secret
      systemctl stop webpush-server
      webpush-server migrate --from /var/lib/webpush-server --to $to --store-secret-file secret
  And back, when all nodes are stopped:
      webpush-server migrate --from $to --to /var/lib/webpush-new --store-secret-file secret

Each pass makes TARGET equal to SOURCE, and can be interrupted and repeated. Do not run it again
once TARGET was served: it would remove what is new there.";

/// Move a service to a database or back
///
/// Copies what TARGET lacks: agents, subscriptions, messages, receipts and sealing keys. Removes what SOURCE no longer has.
/// After a pass from the stopped SOURCE, serve TARGET under the same origin, and every existing URL works.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct MigrateArgs {
    /// Data directory of a stopped server, backup (- is standard input), or URL of a database
    ///
    /// A database is postgres://USER@HOST/DATABASE, with the meaning that it has for serve --store.
    #[arg(long, value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    from: Secret,

    /// URL of a database, or a data directory: a new one, or one of an earlier pass
    #[arg(long, value_name = "TARGET", value_hint = clap::ValueHint::DirPath)]
    to: Secret,

    /// File with the password of the database, if it is not in the URL
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    store_password_file: Option<PathBuf>,

    /// Certificates of the authority that signs those of the database (PEM) [default: those of the system]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    store_ca_file: Option<PathBuf>,

    /// File with the secret of all nodes, which encrypts the sealing keys in the database
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    store_secret_file: Option<PathBuf>,

    /// Schema of the tables in the database; created in TARGET if it does not exist
    #[arg(long, value_name = "NAME", default_value = "webpush")]
    store_schema: String,

    /// Continue although TARGET was used after SOURCE, and remove what is new there
    #[arg(long)]
    discard_newer: bool,
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: &MigrateArgs) -> ExitCode {
    exit(block_on(migrate(args)))
}

async fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    if args.from == args.to {
        bail!("--from and --to are the same");
    }
    let (from, to) = (args.location(&args.from)?, args.location(&args.to)?);
    let mut source =
        MigrationSource::open(&from).await.with_context(|| format!("cannot move from {from} (--from)"))?;
    let moved = move_from(&mut source, &to, args.discard_newer).await;
    let is_served = source.close().await;
    let MigrationCounts { copied, removed, unchanged, skipped } = moved?;
    if skipped > 0 {
        terminal::warning(&format!(
            "skipped {skipped} of these: the store was damaged before, and what they belong to is missing"
        ));
    }
    if let Some(note) = is_served {
        terminal::note(note);
    }
    Ok(terminal::line(&format!("{to}: copied {copied}; removed {removed}; unchanged {unchanged}"))?)
}

async fn move_from(
    source: &mut MigrationSource,
    to: &Location,
    discard_newer: bool,
) -> anyhow::Result<MigrationCounts> {
    let cannot = || format!("cannot move to {to} (--to)");
    let target = target::open(to, &source.keys).await.with_context(cannot)?;
    let moved = match newer::check(source, &target, discard_newer).await {
        Ok(()) => synchronize(source, &target).await,
        Err(error) => Err(error),
    };
    // Closing waits for the database, whose tasks run on this thread.
    spawn_blocking(move || target.close()).await?;
    moved.with_context(cannot)
}

async fn synchronize(source: &mut MigrationSource, target: &Arc<Backend>) -> anyhow::Result<MigrationCounts> {
    let records = source.records().await?;
    let snapshot = target.snapshot(&Detail::EVERYTHING).await?;
    let (target, mut progress) = (Arc::clone(target), PassProgress::new());
    // Records of a database arrive on this thread, so they are read on another one.
    spawn_blocking(move || {
        migration::synchronize(records, &target, snapshot, |counts| progress.report(counts))
    })
    .await?
}

impl MigrateArgs {
    fn location(&self, text: &Secret) -> anyhow::Result<Location> {
        let is_database =
            ["postgres://", "postgresql://"].iter().any(|scheme| text.expose().starts_with(scheme));
        if !is_database {
            return Ok(Location::File(PathBuf::from(text.expose())));
        }
        let Some(secret_file) = self.store_secret_file.clone() else {
            bail!("a database needs --store-secret-file: the file that all nodes of the cluster have");
        };
        let config = StoreConfig {
            url: text.clone(),
            password_file: self.store_password_file.clone(),
            ca_file: self.store_ca_file.clone(),
            secret_file,
            schema: self.store_schema.clone(),
            connections: database::CONNECTIONS,
        };
        config.check()?;
        Ok(Location::Database(config))
    }
}
