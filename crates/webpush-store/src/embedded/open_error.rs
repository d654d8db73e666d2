//! Errors of opening a store, as messages for its operator.

use super::engine_error::EngineError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The reason why a store cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The store is open in another process, or in this one.
    Locked {
        /// The data directory.
        directory: PathBuf,
    },
    /// A newer version of the program has written the directory.
    Newer {
        /// The data directory.
        directory: PathBuf,
        /// The version of its format.
        found: usize,
        /// The newest version that this program knows.
        supported: usize,
    },
    /// The directory has data, but not of a store.
    Foreign {
        /// The data directory.
        directory: PathBuf,
    },
    /// A part of a store that was used is missing.
    Incomplete {
        /// The missing directory.
        missing: PathBuf,
    },
    /// The engine's files are damaged.
    Corrupt {
        /// The data directory.
        directory: PathBuf,
        /// The error of the engine.
        source: EngineError,
    },
    /// The operating system refused an operation.
    Io {
        /// The data directory.
        directory: PathBuf,
        /// Its error.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { directory } => write!(
                f,
                "the store in {} is in use: stop the other server that uses it, or give this one another directory",
                directory.display()
            ),
            Self::Newer { directory, found, supported } => write!(
                f,
                "the store in {} has format {found}, this program knows formats up to {supported}: use a newer version",
                directory.display()
            ),
            Self::Foreign { directory } => write!(
                f,
                "{} is not empty and not a store of webpush-server (its file \"format\" is missing or not readable): \
                 give another directory",
                directory.display()
            ),
            Self::Incomplete { missing } => write!(
                f,
                "{} is missing, and with it messages: restore a backup, or move the rest of the store away to start with an \
                 empty one",
                missing.display()
            ),
            Self::Corrupt { directory, source } => write!(
                f,
                "the store in {} is damaged and cannot be opened ({source}): restore a backup, or move the directory away \
                 to start with an empty one",
                directory.display()
            ),
            Self::Io { directory, error } => {
                write!(f, "cannot open the store in {}: {error}", directory.display())
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
