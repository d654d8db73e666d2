//! Flushes a memtable to the engine while the next one fills.

use super::engine::Engine;
use super::engine_error::EngineError;
use super::key::Key;
use super::log;
use super::memtable::{Memtable, Rows};
use super::rows::{Table, read_idle_key};
use super::shared::Shared;
use super::tasks::Task;
use super::value::Value;
use super::view::View;
use crate::disk::Disk;
use crate::threads::sync::{Arc, PoisonError};
use std::io;
use std::path::PathBuf;

/// A memtable to flush.
pub(super) struct FlushJob {
    pub(super) memtable: Arc<Memtable>,
    /// The marker of what the engine has after the flush; see [`super::batch_markers`].
    pub(super) marks: Rows,
    /// The segments of the log that hold it.
    pub(super) segments: Vec<PathBuf>,
}

/// A flush in progress.
pub(super) type Flush = Task<Result<(), EngineError>>;

impl FlushJob {
    /// Writes the memtable concurrently with the writer. It stays in memory until the engine has it.
    pub(super) fn start(self, shared: Arc<Shared>) -> io::Result<Flush> {
        let mode = shared.mode;
        let flush = move || {
            let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
            let Some(engine) = engine.as_ref() else { return Ok(()) };
            self.complete(engine, &shared.options.disk)?;
            // Its memory is freed here, where nobody waits for it.
            drop(self);
            shared.memtables.end_flush();
            Ok(())
        };
        Task::start(mode, "store-flush", flush)
    }

    /// Writes it as one batch, then removes its segments. Any that remain are not read again.
    pub(super) fn complete(&self, engine: &Engine, disk: &Disk) -> Result<(), EngineError> {
        let rows = Table::ALL.into_iter().flat_map(|table| {
            let rows = self.memtable.to_flush(table).map(move |(key, value)| (table, key, value));
            rows.filter(|(table, key, value)| !self.is_there(engine, *table, key, value.as_ref()))
        });
        let marks = self.marks.iter().map(|(key, value)| (Table::Batches, *key, value));
        engine.write(rows.chain(marks))?;
        for segment in &self.segments {
            if let Err(error) = log::recycle_segment(disk, segment) {
                tracing::warn!(segment = %segment.display(), %error, "cannot remove a segment of the log");
            }
        }
        Ok(())
    }

    /// Returns true if the engine has a row already.
    ///
    /// Many topics come and go within a memtable, and a look-up costs less than a row. Entries would never be found.
    /// Idle rows are known to be there if the usage row that they follow from is unchanged.
    fn is_there(&self, engine: &Engine, table: Table, key: &Key, value: Option<&Value>) -> bool {
        let is_stored = || engine.get(table, key).is_ok_and(|there| there.as_ref() == value);
        match table {
            Table::Idle => {
                let inbox = read_idle_key(key).map(|(_, _, inbox)| inbox);
                inbox.is_some_and(|inbox| self.memtable.is_usage_unchanged(inbox)) || is_stored()
            }
            Table::Topics => is_stored(),
            _ => false,
        }
    }
}
