//! What a service holds, as a file of lines: for backups, and to move agents to another service.
//!
//! Each line is a JSON object with one member. A file begins with `begin` and ends with `end`, which says how much was
//! between, so that one that was cut is noticed. In a backup each line is also covered by a checksum that follows.
//! `docs/backup.md` describes it for others.
//!
//! | to find | look in |
//! |---|---|
//! | the lines | `line.rs` |
//! | records of a store as lines, and back | `record.rs`, `values.rs` |
//! | writing | `write.rs` |
//! | reading, and noticing damage | `read.rs` |
//! | putting a whole file into a new folder | `restore.rs` |
//! | putting agents into a service that runs | `import.rs` |

mod import;
mod line;
mod read;
mod record;
mod restore;
#[cfg(test)]
mod tests;
mod values;
mod write;

pub use import::Import;
pub use line::{ArchiveKind, Counts, Line};
pub use read::{ArchiveError, Reader, lines};
pub use restore::{RestoreSummary, restore};
pub use write::Writer;

use webpush_core::id::Position;
use webpush_store::Record;

/// The format that is written. One that is newer is not read.
const FORMAT: u32 = 1;

/// How far positions leap when a backup is put back. An agent may remember one from after the backup; whatever comes
/// then must lie behind it.
const POSITION_GAP: u64 = 1 << 32;

/// No line is longer: a message with all its headers takes a quarter of it.
pub const LINE_BYTES: usize = 64 * 1024;

fn advanced(position: Position) -> Position {
    Position::new(position.get().saturating_add(POSITION_GAP))
}

/// Where the service that a file is of was, leaps: agents may remember positions from after the file was made. Everything
/// else stays where it was.
fn with_position_gap(record: Record) -> Record {
    match record {
        Record::Position(position) => Record::Position(advanced(position)),
        record => record,
    }
}
