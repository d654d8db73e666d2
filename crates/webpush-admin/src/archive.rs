//! Archives: the data of a server as lines of JSON, for backups and exports.
//!
//! Each line is an object with one member. The first line is `begin`. `end` has the number of records, so that a
//! truncated file is noticed; in a backup, checksums cover every line. `docs/backup.md` describes the format.
//!
//! | Topic | File |
//! |---|---|
//! | lines | `line.rs` |
//! | conversion between records and lines | `record.rs`, `values.rs` |
//! | writing | `write.rs` |
//! | reading and verifying | `read.rs` |
//! | restoring into a new data directory | `restore.rs` |
//! | the records of a backup, one by one | `backup.rs` |
//! | importing into a running server | `import.rs` |
//! | the file, which is read twice | `input.rs` |

mod backup;
mod import;
mod input;
mod line;
mod read;
mod record;
mod restore;
#[cfg(test)]
mod tests;
mod values;
mod write;

pub use backup::Backup;
pub use import::Import;
pub use input::ArchiveFile;
pub use line::{ArchiveKind, Counts, Line};
pub use read::{ArchiveError, ArchiveReader, lines};
pub use restore::{RestoreSummary, restore};
pub use write::ArchiveWriter;

use webpush_core::id::Position;
use webpush_store::Record;

/// The version of the format.
const FORMAT: u32 = 1;

/// How far positions skip ahead in a restored store.
///
/// An agent may remember a position from after the backup; those of new messages must be higher.
const POSITION_GAP: u64 = 1 << 32;

/// Maximum length of a line, four times that of a message with all its headers.
pub const LINE_BYTES: usize = 64 * 1024;

fn skip_ahead(position: Position) -> Position {
    Position::new(position.get().saturating_add(POSITION_GAP))
}

/// Lets the positions of new entries skip ahead; other records are unchanged.
fn with_position_gap(record: Record) -> Record {
    match record {
        Record::Position(position) => Record::Position(skip_ahead(position)),
        record => record,
    }
}
