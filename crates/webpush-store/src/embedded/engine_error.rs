//! Errors of the engine.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A failed operation of the engine under a store.
#[derive(Debug)]
pub enum EngineError {
    /// The operating system refused a read, a write or a sync.
    Io(io::Error),
    /// The disk returned different bytes than were written.
    Damaged(Box<dyn Error + Send + Sync>),
    /// A background write failed earlier, so no further write is accepted.
    Poisoned,
    /// Another process has opened the engine's files.
    Locked,
    /// The thread of a flush has panicked.
    FlushPanicked,
    /// A file is damaged or missing, without which the engine would not open, or would delete data.
    Broken(PathBuf),
    /// A file or directory was deleted while the store was open.
    Deleted(PathBuf),
    /// The rows that record which batches the engine contains cannot be read.
    MarkersUnreadable,
}

impl EngineError {
    /// Returns true if the disk returned different bytes than were written.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Broken(_) | Self::MarkersUnreadable)
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged(error) => error.fmt(f),
            Self::Poisoned => f.write_str("a write in the background failed; is the disk full?"),
            Self::Locked => f.write_str("another process has the engine's files open"),
            Self::FlushPanicked => f.write_str("the thread of a flush has panicked"),
            Self::Broken(path) => write!(f, "{} is damaged or missing", path.display()),
            Self::Deleted(path) => write!(f, "{} was deleted", path.display()),
            Self::MarkersUnreadable => f.write_str("cannot read the batch markers"),
        }
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Damaged(error) => Some(&**error),
            Self::Poisoned
            | Self::Locked
            | Self::FlushPanicked
            | Self::Broken(_)
            | Self::Deleted(_)
            | Self::MarkersUnreadable => None,
        }
    }
}

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
