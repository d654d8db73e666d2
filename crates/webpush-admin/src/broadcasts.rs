//! Versions of broadcasts: those of the configuration, and those set at run time, which a file keeps.

mod file;
mod sources;

pub use sources::{BroadcastSources, ChangeError, write};
