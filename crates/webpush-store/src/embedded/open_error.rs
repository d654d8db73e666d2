//! Why a store can't be opened, in words for its operator.

use super::engine_error::EngineError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a store can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    Locked {
        /// The data folder.
        folder: PathBuf,
    },
    /// A newer version of the program has written it.
    Newer {
        /// The data folder.
        folder: PathBuf,
        /// The version of its format.
        found: usize,
        /// The newest version that this program knows.
        supported: usize,
    },
    /// It holds data, but not such a store.
    Foreign {
        /// The data folder.
        folder: PathBuf,
    },
    /// The engine's files are damaged.
    Corrupt {
        /// The data folder.
        folder: PathBuf,
        /// Why the engine could not be opened.
        source: EngineError,
    },
    /// The operating system refuses.
    Io {
        /// The data folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { folder } => write!(
                f,
                "the store in {} is in use: stop the other server that uses it, or give this one another folder",
                folder.display()
            ),
            Self::Newer { folder, found, supported } => write!(
                f,
                "the store in {} has format {found}, this program knows formats up to {supported}: use a newer version",
                folder.display()
            ),
            Self::Foreign { folder } => write!(
                f,
                "{} is not empty and not a store of webpush-server (its file \"format\" is missing or not readable): \
                 give another folder",
                folder.display()
            ),
            Self::Corrupt { folder, source } => write!(
                f,
                "the store in {} is damaged and can't be opened ({source}): restore a backup, or move the folder away \
                 to begin with an empty one",
                folder.display()
            ),
            Self::Io { folder, error } => {
                write!(f, "the store in {} can't be opened: {error}", folder.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Corrupt { source, .. } => Some(source),
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
