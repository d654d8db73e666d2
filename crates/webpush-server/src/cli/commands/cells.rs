//! `webpush-server cells`: several databases for one service.

use super::serve;
use crate::cli::render::terminal;
use crate::cli::runtime::{block_on, exit};
use crate::open_store::database::{node_name, options};
use crate::server_config::ServerConfig;
use crate::store_config::redact;
use anyhow::Context as _;
use clap::{ArgMatches, ValueHint};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::task::spawn_blocking;
use webpush_config::error::ConfigError;
use webpush_service::secret::Secret;
use webpush_service::system;
use webpush_store::Store as _;
use webpush_store::cells::{BalanceStep, CellManager, CellOverview, ClusterStore};
use webpush_store::postgres::PostgresOptions;

/// The number of shards of a service.
const SHARDS: usize = 65_536;
/// Steps between two lines of progress.
const REPORT: usize = 64;

/// Manage the databases of a cluster
///
/// A service may have several PostgreSQL databases, its cells, each with a part of the inboxes. The first one is that of
/// --store.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  webpush-server cells add b postgres://webpush@db4.example,db5.example/webpush
  webpush-server cells balance
  webpush-server cells drain b && webpush-server cells remove b")]
pub(crate) struct CellsArgs {
    #[command(subcommand)]
    action: Option<CellsAction>,

    /// Configuration file of a node
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// PostgreSQL database of the first cell [default: that of the node, as of the settings below]
    #[arg(long, value_name = "URL")]
    store: Option<Secret>,

    /// File with the password of all databases, if it is not in the URL
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    store_password_file: Option<PathBuf>,

    /// Certificates of the authority that signs those of the databases (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    store_ca_file: Option<PathBuf>,

    /// File with the secret of all nodes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    store_secret_file: Option<PathBuf>,

    /// Schema of the tables in all databases
    #[arg(long, value_name = "NAME")]
    store_schema: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum CellsAction {
    /// List the cells (the default)
    List,
    /// Add an empty database as a cell; running nodes use it after a few seconds
    Add {
        /// Name of the cell, for people
        name: String,
        /// URL of its database, without a password: that of --store-password-file is used
        url: Secret,
        /// Share of new inboxes, relative to those of other cells
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i32).range(0..=1_000_000))]
        weight: i32,
    },
    /// Create no more inboxes in a cell
    Close { name: String },
    /// Create inboxes in a cell again
    Open { name: String },
    /// Set the share of a cell, relative to those of others
    #[command(name = "weight")]
    SetWeight {
        name: String,
        #[arg(value_parser = clap::value_parser!(i32).range(0..=1_000_000))]
        weight: i32,
    },
    /// Move inboxes until each open cell has its share of them, while the service runs
    Balance,
    /// Close a cell, and move all its inboxes to the others, while the service runs
    Drain { name: String },
    /// Remove an empty cell from the service
    Remove { name: String },
}

/// Runs the command.
#[must_use]
pub(crate) fn run(args: CellsArgs, line: &ArgMatches) -> ExitCode {
    let resolved = match serve::layers(line).resolve() {
        Ok(resolved) => resolved,
        Err(faults) => {
            faults.iter().map(ConfigError::to_string).for_each(|fault| terminal::error(&fault));
            return ExitCode::from(serve::INVALID_CONFIGURATION);
        }
    };
    let action = args.action.unwrap_or(CellsAction::List);
    exit(serve::settings(&resolved).and_then(|settings| block_on(manage(action, &settings))))
}

async fn manage(action: CellsAction, settings: &ServerConfig) -> anyhow::Result<()> {
    let config = settings
        .store
        .as_ref()
        .context("this is for a cluster: set --store, or run it with the configuration of a node")?;
    config.check()?;
    let name = format!("{} (cells)", node_name());
    let options = PostgresOptions {
        is_server: false,
        connections: 1,
        ..options(config, name, settings.quota, &system::env())?
    };
    let address = || format!("cannot use {} (--store)", config.display_url());
    let store = ClusterStore::open(options).await.with_context(address)?;
    let done = act(&CellManager::new(&store), action).await;
    // Closing waits for the databases, whose tasks run on this thread.
    spawn_blocking(move || store.close()).await?;
    done
}

async fn act(cells: &CellManager<'_>, action: CellsAction) -> anyhow::Result<()> {
    match action {
        CellsAction::List => {}
        CellsAction::Add { name, url, weight } => {
            let shown = redact(url.expose());
            if shown != url.expose() {
                anyhow::bail!(
                    "the URL of a cell is stored in the first one, and must have no password: use --store-password-file"
                );
            }
            cells.add(&name, url.expose(), weight).await?;
            terminal::note(&format!(
                "{name} has no inboxes yet: webpush-server cells balance moves its share to it"
            ));
        }
        CellsAction::Close { name } => cells.set(&name, Some(false), None).await?,
        CellsAction::Open { name } => cells.set(&name, Some(true), None).await?,
        CellsAction::SetWeight { name, weight } => cells.set(&name, None, Some(weight)).await?,
        CellsAction::Balance => moved(&cells.balance(&mut reporter()).await?)?,
        CellsAction::Drain { name } => moved(&cells.drain(&name, &mut reporter()).await?)?,
        CellsAction::Remove { name } => cells.remove(&name).await?,
    }
    Ok(terminal::line(&table(&cells.list().await?))?)
}

/// Reports the progress of a move now and then.
fn reporter() -> impl FnMut(&BalanceStep) {
    let mut steps = 0;
    move |step| {
        steps += 1;
        if steps % REPORT == 0 {
            let percent = 100 * step.moved / step.total.max(1);
            terminal::note(&format!("{percent} %: moved {} inboxes", step.inboxes));
        }
    }
}

fn moved(step: &BalanceStep) -> anyhow::Result<()> {
    Ok(terminal::line(&format!("moved {} inboxes in {} of {SHARDS} shards", step.inboxes, step.moved))?)
}

/// Returns the cells as a table.
fn table(cells: &[CellOverview]) -> String {
    let width = cells.iter().map(|cell| cell.record.name.len()).max().unwrap_or(0).max("CELL".len());
    let mut text = format!("{:width$}  STATE   WEIGHT   SHARE     INBOXES  DATABASE", "CELL");
    for CellOverview { record, shards, inboxes } in cells {
        let state = match (inboxes, record.is_open) {
            (None, _) => "down",
            (Some(_), true) => "open",
            (Some(_), false) => "closed",
        };
        let inboxes = inboxes.map_or_else(|| "-".to_owned(), |inboxes| inboxes.to_string());
        let url = if record.url.is_empty() { "(--store)" } else { &record.url };
        // 100 % of 65,536.
        let share = *shards as f64 * 100.0 / SHARDS as f64;
        let _ = write!(
            text,
            "\n{:width$}  {state:6}  {:6}  {share:5.1} %  {inboxes:>9}  {url}",
            record.name, record.weight
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_store::postgres::CellRecord;

    #[test]
    fn cells_are_listed_with_their_shares() {
        let cell = |number, name: &str, url: &str, is_open, shards, inboxes| CellOverview {
            record: CellRecord {
                number,
                name: name.to_owned(),
                url: url.to_owned(),
                weight: 100,
                is_open,
                moves: 0,
            },
            shards,
            inboxes,
        };
        let text = table(&[
            cell(0, "first", "", true, 49_152, Some(1_234)),
            cell(1, "b", "postgres://db4.example/webpush", false, 16_384, Some(0)),
            cell(2, "c", "postgres://db6.example/webpush", true, 0, None),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "CELL   STATE   WEIGHT   SHARE     INBOXES  DATABASE");
        assert_eq!(lines[1], "first  open       100   75.0 %       1234  (--store)");
        assert_eq!(lines[2], "b      closed     100   25.0 %          0  postgres://db4.example/webpush");
        assert_eq!(lines[3], "c      down       100    0.0 %          -  postgres://db6.example/webpush");
    }
}
