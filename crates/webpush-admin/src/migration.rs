//! Moves a service to another store: a synchronization that can be interrupted and repeated.
//!
//! The records of both stores are compared in the order of their snapshots, and what differs is committed to the target.
//! A first pass copies everything while the source serves; a last one, after it was stopped, only what has changed.
//!
//! | Topic | File |
//! |---|---|
//! | finding the differences | `merge.rs`, `merge/reader.rs` |
//! | committing them in batches | `committer.rs` |
//! | data directories as source and target, with their keys | `directory.rs` |
//! | a backup as source | `../archive/backup.rs` |

mod committer;
mod directory;
mod merge;
#[cfg(test)]
mod tests;

pub use directory::{open_source, open_target};

use crate::archive::Counts;
use anyhow::Context as _;
use committer::Committer;
use webpush_core::time::Timestamp;
use webpush_store::{Backend, Quota, Record, Snapshot, StoreError};

/// The records of a source, in the order of a [`Snapshot`].
pub type SourceRecords = Box<dyn Iterator<Item = anyhow::Result<Record>> + Send>;

/// The quota of both stores during a migration: nothing of the source is refused or dropped.
pub const UNLIMITED: Quota =
    Quota { messages: u64::MAX, body_bytes: u64::MAX, receipts: u64::MAX, subscriptions: u64::MAX };

/// The counts of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigrationCounts {
    /// Records that the target lacked, or had with other fields.
    pub copied: Counts,
    /// Records that the source no longer has.
    pub removed: Counts,
    /// Records that were equal.
    pub unchanged: Counts,
    /// Copied records that the target refused, because what they belong to is missing in the source.
    pub skipped: u64,
}

/// Returns the records of a store.
#[must_use]
pub fn records(snapshot: Snapshot) -> SourceRecords {
    Box::new(snapshot.map(|record| {
        record.map_err(|error| match error {
            StoreError::Corrupt | StoreError::Unreadable => {
                anyhow::anyhow!("{error}: run webpush-server repair first")
            }
            StoreError::Unavailable | StoreError::Busy | StoreError::Moved | StoreError::Full => error.into(),
        })
    }))
}

/// Returns when an inbox of a snapshot was last used; `None` without inboxes. Blocks the thread.
///
/// # Errors
/// Fails if the snapshot cannot be read.
pub fn last_use(snapshot: Snapshot) -> anyhow::Result<Option<Timestamp>> {
    let mut last = None;
    for record in records(snapshot) {
        if let Record::Inbox(inbox) = record? {
            last = last.max(Some(inbox.last_use()));
        }
    }
    Ok(last)
}

/// Makes a target equal to its source. Blocks the thread.
///
/// `snapshot` is one of everything in the target, to which nobody else may write. `progress` is called after each
/// record.
///
/// # Errors
/// Fails if the source cannot be read, or the target read or written. A later call continues.
pub fn synchronize(
    source: SourceRecords,
    target: &Backend,
    snapshot: Snapshot,
    progress: impl FnMut(&MigrationCounts),
) -> anyhow::Result<MigrationCounts> {
    let source = source.map(|record| record.context("cannot read the source"));
    let existing = records(snapshot).map(|record| record.context("cannot read the target"));
    let mut committer = Committer::new(target, progress);
    let counts = merge::merge(source, existing, &mut committer)?;
    let skipped = committer.finish()?;
    Ok(MigrationCounts { skipped, ..counts })
}
