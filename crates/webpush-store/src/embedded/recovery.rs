//! Recovery: finds where the last process ended, and what was lost.

use super::batch_markers::BatchMarkers;
use super::directory::log_directory;
use super::engine::Engine;
use super::engine_error::EngineError;
use super::flush::FlushJob;
use super::log::{self, Replay};
use super::memtable::Rows;
use super::watermark::Watermark;
use crate::disk::Disk;
use crate::{StoreError, position};
use std::path::Path;
use std::sync::Arc;

/// The result of recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Committed batches that the disk has lost.
    ///
    /// Zero unless something is damaged: a crash or a power cut loses none.
    pub batches_lost: u64,
}

/// Where a store goes on.
pub(super) struct Start {
    pub(super) marks: BatchMarkers,
    /// The last frame on disk, and the floor of positions, which is on disk with the next frame.
    pub(super) last: Watermark,
    /// Rows that the log has and the engine does not have yet.
    pub(super) flush_job: Option<FlushJob>,
    pub(super) recovery: Recovery,
}

/// How far reads of the log can be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Disk,
    /// A sync has failed: the system may take pages for written that never were.
    Nothing,
}

/// Reads the log, looks for losses, and says so.
///
/// An engine that can't be written is not open: unless there is much to write, or if it can't wait, it is written here.
pub(super) fn recover(
    engine: &Engine,
    disk: &Disk,
    directory: &Path,
    synced: Option<Watermark>,
    trust: Trust,
) -> Result<Start, EngineError> {
    let synced = synced.unwrap_or_default();
    let unreadable = |_: StoreError| EngineError::MarkersUnreadable;
    let (marks, batches_missing) = BatchMarkers::read(engine).map_err(unreadable)?;
    let replay = log::replay(disk, &log_directory(directory), marks.frame, marks.position)?;
    let frames_missing = replay.missing + synced.frame.saturating_sub(replay.frame);
    let batches_lost = batches_missing + frames_missing;
    let Replay { memtable, segments, frame, position, .. } = replay;
    if batches_lost > 0 {
        tracing::error!(
            directory = %directory.display(),
            batches_lost,
            "the store has lost batches that were committed; a damaged disk or an older copy can be the cause"
        );
    }
    let position = position::floor_after(position.max(synced.position));
    let last = Watermark { frame: frame.max(synced.frame), position };
    if marks.are_none() && segments.is_empty() && batches_lost == 0 && trust == Trust::Disk {
        // A new store. That it can be written was seen when it was made.
        return Ok(Start { marks, last, flush_job: None, recovery: Recovery::default() });
    }
    let mut rows = Rows::new();
    let marks = if batches_lost > 0 { marks.mark_anew(last, &mut rows) } else { marks.mark(last, &mut rows) };
    let can_wait = batches_lost == 0 && trust == Trust::Disk && !segments.is_empty();
    let flush_job = FlushJob { memtable: Arc::new(memtable), marks: rows, segments };
    if !can_wait {
        flush_job.complete(engine, disk)?;
    }
    let flush_job = can_wait.then_some(flush_job);
    Ok(Start { marks, last, flush_job, recovery: Recovery { batches_lost } })
}
