//! The report of a repair.

use std::fmt;
use std::path::PathBuf;

/// Records that a repair has kept, and those that it could not save.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// Where the old store is now.
    pub old: PathBuf,
    /// Inboxes in the new store: agents and receipt subscriptions.
    pub inboxes: u64,
    /// Of these, the inboxes whose own record was lost.
    pub rebuilt_inboxes: u64,
    /// Subscriptions in the new store.
    pub subscriptions: u64,
    /// Messages and receipts in the new store.
    pub entries: u64,
    /// Records that could not be read, or whose checksum is wrong, for each file and kind.
    pub lost: Vec<LostRows>,
    /// Frames of the log that are missing or damaged. Each holds the changes of some requests.
    pub lost_frames: u64,
    /// Messages and receipts whose inbox or subscription is lost.
    pub orphans: u64,
}

/// Records of a file that are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRows {
    /// The damaged or missing file.
    pub file: PathBuf,
    /// The kind of its records: the name of a table, or `unknown`.
    pub table: &'static str,
    /// The number of records, or 0 if it is not known.
    pub rows: u64,
}

impl RepairReport {
    /// Returns true if nothing was lost, as far as is known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.lost_frames == 0 && self.orphans == 0
    }
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, inboxes, rebuilt_inboxes, subscriptions, entries, lost, lost_frames, orphans } = self;
        writeln!(
            f,
            "kept: {inboxes} inboxes, {subscriptions} subscriptions, {entries} messages and receipts"
        )?;
        if *rebuilt_inboxes > 0 {
            writeln!(f, "rebuilt: {rebuilt_inboxes} of the inboxes, from their subscriptions and messages")?;
        }
        for LostRows { file, table, rows } in lost {
            let rows = if *rows > 0 { rows.to_string() } else { "an unknown number of".to_owned() };
            writeln!(f, "lost: {rows} records of {table} ({})", file.display())?;
        }
        if *lost_frames > 0 {
            writeln!(f, "lost: {lost_frames} frames of the log; each has the changes of some requests")?;
        }
        if *orphans > 0 {
            writeln!(f, "lost: {orphans} records whose inbox or subscription is lost")?;
        }
        if self.is_complete() {
            writeln!(f, "lost: nothing, as far as can be known")?;
        }
        write!(f, "The old store is in {}; remove it when you no longer need it.", old.display())
    }
}
