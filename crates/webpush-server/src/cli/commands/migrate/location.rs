//! The locations between which a service is moved.

use crate::store_config::StoreConfig;
use std::fmt;
use std::path::PathBuf;

/// A source or a target.
pub(super) enum Location {
    /// A data directory or a backup.
    File(PathBuf),
    /// A database.
    Database(StoreConfig),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database(config) => f.write_str(&config.display_url()),
        }
    }
}
