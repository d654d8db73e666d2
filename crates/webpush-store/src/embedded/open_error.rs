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

impl OpenError {
    /// Returns true if a repair can help: files are damaged or missing.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Incomplete { .. } | Self::Corrupt { .. })
    }
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
                 give another directory, or run webpush-server repair if it was a store",
                directory.display()
            ),
            Self::Incomplete { missing } => write!(
                f,
                "{} is missing, and with it messages: stop the server and run webpush-server repair (or start once with \
                 --repair), or restore a backup",
                missing.display()
            ),
            Self::Corrupt { directory, source } => write!(
                f,
                "the store in {} is damaged and cannot be opened ({source}): run webpush-server repair (or start once with \
                 --repair), or restore a backup",
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
