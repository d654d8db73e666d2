//! Commands that change the cells of a service: add, close, balance, drain, remove.

use super::plan::{Move, plan};
use super::{Cell, ClusterStore};
use crate::StoreError;
use crate::postgres::{
    CellIdentity, CellRecord, DatabaseError, MoveLock, MovedShards, PostgresOptions, PostgresStore,
    ShardMover, ShardPlace,
};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a move waits until every node uses the cells.
const NODES_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// How often a step of a move is repeated.
const STEP_RETRIES: usize = 3;
/// Length of the name of a cell.
const NAME_BYTES: usize = 32;

/// Why a command failed.
#[derive(Debug)]
pub enum CellError {
    /// A database refused it or could not be reached.
    Database(DatabaseError),
    /// It is not possible; the text says why, and what to do.
    Refused(String),
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for CellError {}

impl From<DatabaseError> for CellError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

fn refused(text: impl Into<String>) -> CellError {
    CellError::Refused(text.into())
}

/// A cell, for operators.
#[derive(Clone, Debug)]
pub struct CellOverview {
    /// Its row in the table of cells.
    pub record: CellRecord,
    /// The number of its shards.
    pub shards: usize,
    /// About how many inboxes it has; `None` if it cannot be reached.
    pub inboxes: Option<u64>,
}

/// One step of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceStep {
    /// The number of shards that have moved so far.
    pub moved: usize,
    /// The number of shards to move.
    pub total: usize,
    /// The number of inboxes that have moved so far.
    pub inboxes: u64,
}

/// Changes the cells of a service, while its nodes may be running.
pub struct CellManager<'s> {
    store: &'s ClusterStore,
}

impl<'s> CellManager<'s> {
    /// Manages the cells of an open store.
    #[must_use]
    pub const fn new(store: &'s ClusterStore) -> Self {
        Self { store }
    }

    /// Lists the cells.
    ///
    /// # Errors
    /// Fails if the first one cannot be read.
    pub async fn list(&self) -> Result<Vec<CellOverview>, CellError> {
        let places = self.places().await.ok();
        let mut all = Vec::new();
        for record in self.records().await? {
            let open = self.store.cluster.cell(record.number);
            let inboxes = match &open {
                Some(cell) => cell.store.inbox_estimate().await.ok(),
                None => None,
            };
            let its = |place: &&ShardPlace| place.cell == record.number;
            let shards = places.as_ref().map_or(0, |places| places.iter().filter(its).count());
            all.push(CellOverview { record, shards, inboxes });
        }
        Ok(all)
    }

    /// Adds a database without inboxes as a cell. It gets its share of them by [`balance`](Self::balance).
    ///
    /// # Errors
    /// Fails if the name is in use, or if the database cannot be used or has inboxes.
    pub async fn add(&self, name: &str, url: &str, weight: i32) -> Result<(), CellError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_plain) {
            return Err(refused(format!(
                "'{name}' cannot be the name of a cell: use at most {NAME_BYTES} letters, digits, hyphens and underscores"
            )));
        }
        let _lock = self.lock().await?;
        let records = self.records().await?;
        if records.iter().any(|record| record.name == name) {
            return Err(refused(format!("there is a cell '{name}' already")));
        }
        if records.iter().any(|record| record.url == url) || self.store.first().options().url == url {
            return Err(refused("this database is a cell already"));
        }
        let number = self.unused_number(&records).await?;
        let options = PostgresOptions { url: url.to_owned(), ..self.store.first().options().clone() };
        let database = PostgresStore::open(options).await?;
        let service = self.identity().await?.service;
        let current =
            database.identity().await.map_err(|_| refused("the tables of the new cell cannot be read"))?;
        if current.service == service && records.iter().any(|record| record.number == current.cell) {
            return Err(refused("this database is a cell of this service already"));
        }
        if !database.adopt(CellIdentity { service, cell: number }).await? {
            return Err(refused(
                "the database belongs to another service, or has inboxes: use an empty one, or another schema",
            ));
        }
        let record = CellRecord {
            number,
            name: name.to_owned(),
            url: url.to_owned(),
            weight,
            is_open: true,
            moves: 0,
        };
        self.store.first().put_cell(&record).await?;
        self.store.cluster.look_again().await;
        Ok(())
    }

    /// Returns a number that no cell had before, because tables may still name a cell that was removed.
    async fn unused_number(&self, records: &[CellRecord]) -> Result<i16, CellError> {
        let mut highest = records.iter().map(|record| record.number).max().unwrap_or(0);
        for record in records {
            let heard = self.open_cell(record.number)?.store.highest_number().await;
            highest =
                heard.map_err(|_| refused(format!("cell '{}' cannot be read", record.name)))?.max(highest);
        }
        highest.checked_add(1).ok_or_else(|| refused("there were too many cells"))
    }

    /// Sets whether new inboxes are created in a cell, and its weight.
    ///
    /// # Errors
    /// Fails if there is no such cell, or if no cell would be open.
    pub async fn set(&self, name: &str, is_open: Option<bool>, weight: Option<i32>) -> Result<(), CellError> {
        let _lock = self.lock().await?;
        self.change(name, is_open, weight).await
    }

    async fn change(&self, name: &str, is_open: Option<bool>, weight: Option<i32>) -> Result<(), CellError> {
        let records = self.records().await?;
        let record = find(&records, name)?;
        let is_open = is_open.unwrap_or(record.is_open);
        let has_other = records.iter().any(|other| other.is_open && other.number != record.number);
        if !is_open && !has_other {
            return Err(refused("no other cell is open: add or open one before this one is closed"));
        }
        let changed = CellRecord { is_open, weight: weight.unwrap_or(record.weight), ..record.clone() };
        Ok(self.store.first().put_cell(&changed).await?)
    }

    /// Removes a cell that has no shards.
    ///
    /// # Errors
    /// Fails if it has some, or is the first one.
    pub async fn remove(&self, name: &str) -> Result<(), CellError> {
        let _lock = self.lock().await?;
        let records = self.records().await?;
        let record = find(&records, name)?;
        if record.number == 0 {
            return Err(refused(
                "the first cell has the sealing keys and the table of cells: it cannot be removed",
            ));
        }
        let shards = self.places().await?.iter().filter(|place| place.cell == record.number).count();
        if shards > 0 {
            return Err(refused(format!("cell '{name}' has {shards} of 65536 shards: drain it first")));
        }
        let waiting = self.open_cell(record.number)?.store.outgoing_count().await;
        match waiting.map_err(|_| refused(format!("cell '{name}' cannot be read")))? {
            0 => {}
            waiting => {
                return Err(refused(format!(
                    "cell '{name}' has {waiting} receipts for other cells, which nodes carry there: wait a moment"
                )));
            }
        }
        Ok(self.store.first().remove_cell(record.number).await?)
    }

    /// Moves shards until each open cell has its share of them. Those that are closed keep theirs.
    ///
    /// # Errors
    /// Fails if a cell or a node cannot be reached. Shards that have moved stay where they are; it may be started again.
    pub async fn balance(&self, progress: &mut dyn FnMut(&BalanceStep)) -> Result<BalanceStep, CellError> {
        let _lock = self.lock().await?;
        self.move_shards(None, progress).await
    }

    /// Closes a cell, and moves all its shards to open ones.
    ///
    /// # Errors
    /// Fails like [`balance`](Self::balance), or if no other cell is open.
    pub async fn drain(
        &self,
        name: &str,
        progress: &mut dyn FnMut(&BalanceStep),
    ) -> Result<BalanceStep, CellError> {
        let _lock = self.lock().await?;
        self.change(name, Some(false), None).await?;
        let number = find(&self.records().await?, name)?.number;
        self.move_shards(Some(number), progress).await
    }

    async fn move_shards(
        &self,
        drained: Option<i16>,
        progress: &mut dyn FnMut(&BalanceStep),
    ) -> Result<BalanceStep, CellError> {
        let records = self.records().await?;
        for record in &records {
            self.wait_for_nodes(record).await?;
        }
        let moves = plan(&self.places().await?, &records, drained);
        let moved = self.move_planned(moves, progress).await;
        // After an error as well.
        self.store.first().count_move().await?;
        moved
    }

    async fn move_planned(
        &self,
        moves: Vec<Move>,
        progress: &mut dyn FnMut(&BalanceStep),
    ) -> Result<BalanceStep, CellError> {
        let mut step =
            BalanceStep { moved: 0, total: moves.iter().map(|(.., run)| run.len()).sum(), inboxes: 0 };
        for (from, to, run) in moves {
            let (source, target) = (self.open_cell(from)?, self.open_cell(to)?);
            let mover = ShardMover::new(&source.store, &target.store, to).await?;
            let mut rest = run.clone();
            while !rest.is_empty() {
                let MovedShards { shards, place, inboxes } = step_again(&mover, &rest).await?;
                let activated = target.store.activate(shards.clone(), place).await;
                activated.map_err(|error| {
                    refused(format!(
                        "cell '{}' cannot be written: {error}: start the command again",
                        target.name
                    ))
                })?;
                shards.clone().for_each(|number| self.store.cluster.map.set(number, place));
                step.moved += shards.len();
                step.inboxes += inboxes;
                progress(&step);
                if shards.end() == rest.end() {
                    break;
                }
                rest = shards.end() + 1..=*rest.end();
            }
        }
        Ok(step)
    }

    /// Waits until every live node uses a cell.
    ///
    /// One that does not would refuse requests for the inboxes in it.
    async fn wait_for_nodes(&self, record: &CellRecord) -> Result<(), CellError> {
        let start = Instant::now();
        let cell = self.open_cell(record.number)?;
        let unreadable = |_: StoreError| refused(format!("cell '{}' cannot be read", record.name));
        loop {
            let all = self.store.first().live_servers().await.map_err(unreadable)?;
            let its = cell.store.live_servers().await.map_err(unreadable)?;
            let Some((_, name)) = all.iter().find(|(id, _)| its.iter().all(|(other, _)| id != other)) else {
                return Ok(());
            };
            if start.elapsed() > NODES_TIMEOUT {
                return Err(refused(format!(
                    "node {name} does not use cell '{}': see its log, and wait 15 s if it was stopped",
                    record.name
                )));
            }
            sleep(PAUSE).await;
        }
    }

    fn open_cell(&self, number: i16) -> Result<Arc<Cell>, CellError> {
        let cell = self.store.cluster.cell(number);
        cell.ok_or_else(|| refused("a cell cannot be reached: all must be, while inboxes move"))
    }

    /// Returns the place of every shard, after moves that were interrupted have come to their end.
    ///
    /// All cells must be reachable.
    async fn places(&self) -> Result<Vec<ShardPlace>, CellError> {
        for record in self.records().await? {
            self.open_cell(record.number)?;
        }
        self.store.cluster.learn_places().await.map_err(|error| {
            refused(format!(
                "it is not known where all inboxes are: {error}; see the log, and start the command again"
            ))
        })?;
        Ok((0..=u16::MAX).map(|number| self.store.cluster.map.place_of(number)).collect())
    }

    /// Makes sure that no other command changes cells or moves inboxes.
    async fn lock(&self) -> Result<MoveLock, CellError> {
        let lock = self.store.cluster.lock_moves().await?;
        lock.ok_or_else(|| {
            refused("another command is changing the cells of this service: wait until it has ended")
        })
    }

    async fn records(&self) -> Result<Vec<CellRecord>, CellError> {
        self.store.first().cells().await.map_err(|_| refused("the table of cells cannot be read"))
    }

    async fn identity(&self) -> Result<CellIdentity, CellError> {
        self.store.first().identity().await.map_err(|_| refused("the table of cells cannot be read"))
    }
}

/// Makes a step of a move, again if it fails for a reason that may pass.
async fn step_again(
    mover: &ShardMover<'_>,
    rest: &RangeInclusive<u16>,
) -> Result<MovedShards, DatabaseError> {
    let mut failures = 0;
    loop {
        match mover.step(rest.clone()).await {
            // Locks, deadlocks. A lost connection fails again at once.
            Err(DatabaseError::Refused(reason)) if failures < STEP_RETRIES => {
                failures += 1;
                tracing::debug!("a step of a move is repeated: {reason}");
                sleep(PAUSE).await;
            }
            result => return result,
        }
    }
}

fn find<'r>(records: &'r [CellRecord], name: &str) -> Result<&'r CellRecord, CellError> {
    records.iter().find(|record| record.name == name).ok_or_else(|| {
        let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
        refused(format!("there is no cell '{name}': there are {}", names.join(", ")))
    })
}
