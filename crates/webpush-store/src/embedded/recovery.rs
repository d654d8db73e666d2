//! Recovery: finds where the last process ended, and what was lost.

use super::batch_markers::BatchMarkers;
use super::directory::log_directory;
use super::engine::Engine;
use super::engine_error::EngineError;
use super::flush::FlushJob;
use super::holes::Hole;
use super::id_hash::IdHash;
use super::log::{self, Replay};
use super::memtable::{Memtable, Rows};
use super::view::View;
use super::watermark::{LastKnown, Watermark};
use crate::disk::Disk;
use crate::{StoreError, position};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The number of committed batches that the disk has lost.
    ///
    /// Zero unless files are damaged: crashes and power cuts lose none.
    pub batches_lost: u64,
}

/// The state from which a store continues.
pub(super) struct Start {
    pub(super) marks: BatchMarkers,
    /// The last frame on disk, and the floor of positions, which reaches the disk with the next frame.
    pub(super) last: Watermark,
    /// Rows in the log that the engine does not contain yet.
    pub(super) flush_job: Option<FlushJob>,
    /// Segments to remove once the watermark file names another active segment.
    pub(super) not_needed: Vec<PathBuf>,
    pub(super) recovery: Recovery,
}

/// The trust in reads of the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Disk,
    /// A sync has failed: the system may have marked pages as written that never were.
    Nothing,
}

/// Reads the log, and detects and logs losses.
///
/// An engine that cannot be written must not be opened. So rows are written to it here, unless there are few and it can wait.
pub(super) fn recover(
    engine: &Engine,
    disk: &Disk,
    directory: &Path,
    last_known: LastKnown,
    trust: Trust,
    hasher: IdHash,
) -> Result<Start, EngineError> {
    let LastKnown { watermark: synced, active } = last_known;
    let unreadable = |_: StoreError| EngineError::MarkersUnreadable;
    let (marks, batches_missing) = BatchMarkers::read(engine).map_err(unreadable)?;
    let replay = log::replay(disk, &log_directory(directory), (marks.frame, marks.position), synced.frame)?;
    // It is not known how many frames a missing segment had.
    let segments_missing = is_segment_missing(disk, &log_directory(directory), active, marks.frame);
    let frames_missing = replay.missing + synced.frame.saturating_sub(replay.frame);
    let batches_lost = batches_missing + frames_missing + u64::from(segments_missing);
    let Replay { rows, segments, not_needed, frame, position, .. } = replay;
    let memtable = Arc::new(Memtable::replay(rows, hasher));
    if batches_lost > 0 {
        tracing::error!(
            directory = %directory.display(),
            batches_lost,
            "the store has lost batches that were committed; a damaged disk or an older copy can be the cause"
        );
    }
    if batches_lost > 0 {
        // It is not known what they held.
        engine.damage().add_holes(disk, Hole::everywhere())?;
    }
    let position = position::floor_after(position.max(synced.position));
    let last = Watermark { frame: frame.max(synced.frame), position };
    if marks.are_none() && segments.is_empty() && batches_lost == 0 && trust == Trust::Disk {
        // A new store, whose creation has shown that it can be written.
        return Ok(Start { marks, last, flush_job: None, not_needed, recovery: Recovery::default() });
    }
    let mut rows = Rows::new();
    let marks = if batches_lost > 0 { marks.mark_anew(last, &mut rows) } else { marks.mark(last, &mut rows) };
    let can_wait = batches_lost == 0 && trust == Trust::Disk && !segments.is_empty();
    let flush_job = FlushJob { memtable, marks: rows, segments };
    if !can_wait {
        flush_job.complete(engine, disk)?;
    }
    let flush_job = can_wait.then_some(flush_job);
    Ok(Start { marks, last, flush_job, not_needed, recovery: Recovery { batches_lost } })
}

/// Returns true if the active segment is not there, and the engine has no frame of it.
pub(super) fn is_segment_missing(disk: &Disk, log: &Path, active: Option<u64>, engine_frame: u64) -> bool {
    active.is_some_and(|first| engine_frame < first && !disk.exists(&log::segment_path(log, first)))
}
