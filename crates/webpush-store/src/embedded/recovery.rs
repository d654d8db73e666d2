//! What an open store looks at before it goes on where the last one ended.

use super::engine::{Engine, Rows};
use super::marks::Marks;
use super::rows::Table;
use super::watermark::Watermark;
use crate::StoreError;
use fjall::PersistMode;
use std::io;
use std::path::Path;

/// What was found when a store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Committed batches that the disk has lost. Zero unless something is damaged: a crash or a power cut loses none.
    pub batches_lost: u64,
}

/// Looks for lost batches, says so, and writes the first mark: an engine that can't be written is not open.
pub(super) fn check(
    engine: &Engine,
    folder: &Path,
    synced: Option<Watermark>,
) -> Result<(Marks, Recovery), fjall::Error> {
    let unreadable = |_: StoreError| fjall::Error::Io(io::Error::other("its marks can't be read"));
    let (marks, batches_lost) = Marks::read(engine, synced).map_err(unreadable)?;
    if batches_lost > 0 {
        tracing::error!(
            folder = %folder.display(),
            batches_lost,
            "the store has lost batches that were committed; a damaged disk or an older copy can be the cause"
        );
    }
    let mut rows: [Rows; Table::ALL.len()] = Default::default();
    let batches = &mut rows[Table::Batches as usize];
    let marks = if batches_lost > 0 { marks.mark_anew(batches) } else { marks.mark(marks.position, batches) };
    engine.write(rows, PersistMode::SyncData)?;
    Ok((marks, Recovery { batches_lost }))
}
