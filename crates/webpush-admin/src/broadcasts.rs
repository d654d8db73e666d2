//! Versions of broadcasts: those of the configuration, and those set at run time.
//!
//! A file in the data directory keeps the latter, or a table in the database of a cluster, which all nodes read again and
//! again.

mod file;
mod follow;
mod overrides;
mod sources;

pub use follow::follow;
pub use overrides::ChangeError;
pub use sources::{BroadcastSources, write};
