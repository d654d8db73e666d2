//! Where the versions of broadcasts come from: the configuration, and a file of the data directory with what was set at run
//! time.

mod file;
mod sources;

pub use sources::{BroadcastSources, ChangeError, write};
