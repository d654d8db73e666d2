//! Keeps the knowledge of a node up to date: which cells there are, and where shards are.

use super::{Cell, Cluster};
use crate::StoreError;
use crate::postgres::{
    CellRecord, DatabaseDurability, DatabaseError, MoveLock, PostgresOptions, PostgresStore, SHARDS,
    ShardPlace, shard,
};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use webpush_core::id::InboxId;

/// How often the table of cells is read.
const INTERVAL: Duration = Duration::from_secs(5);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Number of these intervals after which places are read even if no command has told that they changed.
const LEARN_TICKS: u64 = 12;
/// How often the lock of commands is tried.
const LOCK_ATTEMPTS: usize = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(300);
/// How often a read follows an inbox that moves.
pub(super) const ATTEMPTS: usize = 10;
/// Pause before an inbox that moves is looked for again.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Opens new cells, and reads changes to the known ones, until the task is aborted.
pub(super) async fn run(cluster: Weak<Cluster>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate, and the table was just read.
    ticks.tick().await;
    for tick in 1_u64.. {
        ticks.tick().await;
        let Some(cluster) = cluster.upgrade() else { return };
        cluster.look_for_cells().await;
        if tick % LEARN_TICKS == 0 && !cluster.others().is_empty() {
            drop(cluster.learn_places().await);
        }
        cluster.try_cells_that_are_down();
    }
}

/// Logs how durable the commits of a new cell are.
async fn report_durability(cell: &str, options: &PostgresOptions) {
    match DatabaseDurability::read(options).await {
        Ok(durability) => {
            tracing::info!(cell, "a cell is in use: {durability}");
            durability.warnings().iter().for_each(|warning| tracing::warn!(cell, "{warning}"));
        }
        Err(error) => {
            tracing::warn!(cell, "a cell is in use; cannot find out how durable commits are: {error}")
        }
    }
}

impl Cluster {
    /// Holds off other commands that change cells or move inboxes.
    ///
    /// `None` if one goes on for longer than a moment.
    pub(super) async fn lock_moves(&self) -> Result<Option<MoveLock>, DatabaseError> {
        for _ in 0..LOCK_ATTEMPTS {
            let lock = self.first.store.lock_moves().await?;
            if lock.is_some() {
                return Ok(lock);
            }
            // The server has perhaps not noticed yet that the last command has ended.
            sleep(LOCK_PAUSE).await;
        }
        Ok(None)
    }

    /// Reads the table of cells, and opens those that are new. At most once in a second.
    pub(super) async fn look_for_cells(self: &Arc<Self>) {
        let mut last = self.looked.lock().await;
        if last.is_some_and(|last| last.elapsed() < PAUSE_BETWEEN_LOOKS) {
            return;
        }
        self.read_cells().await;
        *last = Some(Instant::now());
    }

    /// Reads the table of cells now.
    pub(super) async fn look_again(self: &Arc<Self>) {
        let mut last = self.looked.lock().await;
        self.read_cells().await;
        *last = Some(Instant::now());
    }

    async fn read_cells(self: &Arc<Self>) {
        match self.first.store.cells().await {
            Ok(records) => self.open_cells(&records).await,
            Err(error) => tracing::debug!("cannot read the table of cells: {error}"),
        }
    }

    /// Opens cells that are not open yet, and updates the others.
    pub(super) async fn open_cells(self: &Arc<Self>, records: &[CellRecord]) {
        let mut is_changed = false;
        for record in records {
            match self.cell(record.number) {
                Some(cell) if record.number == 0 || cell.url == record.url => cell.update(record),
                Some(_) => {
                    tracing::info!(cell = record.name, "the database of a cell has another URL");
                    self.forget(record.number);
                    is_changed |= self.open_cell(record).await;
                }
                None => is_changed |= self.open_cell(record).await,
            }
        }
        for cell in self.others() {
            if records.iter().all(|record| record.number != cell.number) {
                tracing::info!(cell = cell.name, "a cell was removed");
                self.forget(cell.number);
            }
        }
        let moves = records.first().map_or(0, |first| first.moves);
        if is_changed || self.moves.swap(moves, Ordering::Relaxed) != moves {
            drop(self.learn_places().await);
        }
    }

    async fn open_cell(self: &Arc<Self>, record: &CellRecord) -> bool {
        let (url, cell) = (record.url.clone(), record.name.clone());
        let options = PostgresOptions { url, cell, ..self.first.store.options().clone() };
        let opened = PostgresStore::open_as(self.id, options.clone()).await;
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                tracing::error!(cell = record.name, "a cell cannot be used: {error}; retrying");
                return false;
            }
        };
        let (Ok(own), Ok(first)) = (store.identity().await, self.first.store.identity().await) else {
            return false;
        };
        if own.service != first.service || own.cell != record.number {
            tracing::error!(cell = record.name, "the URL of a cell is that of another database");
            return false;
        }
        report_durability(&record.name, &options).await;
        self.add(Cell::new(record, store));
        true
    }

    /// Looks whether cells that are down can be written again.
    fn try_cells_that_are_down(&self) {
        for cell in self.cells().into_iter().filter(|cell| !cell.is_up()) {
            self.runtime.spawn(async move { drop(cell.store.try_to_write().await) });
        }
    }

    /// Closes a cell when nobody uses it any more.
    fn forget(&self, number: i16) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.retain(|cell| cell.number != number);
    }

    /// Tells all cells that there are several.
    pub(super) fn set_cells(&self) {
        self.cells().iter().for_each(|cell| cell.store.set_cells());
    }

    /// Reads where shards are from all cells, and puts copies to use that a move has left behind.
    ///
    /// # Errors
    /// Fails if a cell cannot be read, or if one does not have a shard that it should have.
    pub(super) async fn learn_places(&self) -> Result<(), StoreError> {
        let (mut heard, mut known) = (vec![ShardPlace::default(); SHARDS], HashSet::new());
        let mut outcome = Ok(());
        for cell in self.cells() {
            match cell.store.moved_shards().await {
                Ok(moved) => {
                    for (number, place) in moved {
                        let highest = &mut heard[usize::from(number)];
                        *highest = place.max(*highest);
                        if place.cell == cell.number {
                            known.insert((number, place));
                        }
                    }
                }
                Err(error) => outcome = Err(error),
            }
        }
        let mut waiting = Vec::<(RangeInclusive<u16>, ShardPlace)>::new();
        for (number, place) in (0..=u16::MAX).zip(heard) {
            self.map.set(number, place);
            if place < self.map.place_of(number) {
                // The cell that knew better did not answer, or lost it. The memory of this node is no proof.
                outcome = Err(StoreError::Unavailable);
                continue;
            }
            if place.version == 0 || known.contains(&(number, place)) {
                continue;
            }
            match waiting.last_mut() {
                Some((run, of)) if *of == place && run.end() + 1 == number => *run = *run.start()..=number,
                _ => waiting.push((number..=number, place)),
            }
        }
        for (shards, place) in waiting {
            match self.cell(place.cell) {
                Some(cell) => {
                    if let Err(error) = cell.store.activate(shards, place).await {
                        tracing::warn!(
                            cell = cell.name,
                            "inboxes that moved here cannot be used yet: {error}"
                        );
                        outcome = Err(error);
                    }
                }
                None => outcome = Err(StoreError::Unavailable),
            }
        }
        outcome
    }

    /// Asks all cells where an inbox is, after one of them said that it has moved.
    ///
    /// # Errors
    /// Fails if no cell can be asked, or if the one that has it cannot put its copies to use.
    pub(super) async fn locate(self: &Arc<Self>, inbox: InboxId) -> Result<(), StoreError> {
        let number = shard(inbox);
        let mut known = Vec::new();
        for cell in self.cells() {
            if let Ok(place) = cell.store.shard_place(number).await {
                known.push((cell.number, place));
            }
        }
        let place = known.iter().map(|(_, place)| *place).max().ok_or(StoreError::Unavailable)?;
        // A cell that knows better may not answer. This node then remembers it, which is no proof that it still holds.
        if place < self.map.place_of(number) {
            return Err(StoreError::Unavailable);
        }
        self.map.set(number, place);
        if self.cell(place.cell).is_none() {
            self.look_for_cells().await;
        }
        let knows_it = known.iter().any(|(cell, its)| *cell == place.cell && *its == place);
        if !knows_it && let Some(cell) = self.cell(place.cell) {
            cell.store.activate(number..=number, place).await?;
        }
        Ok(())
    }
}
