//! Structured request headers that more than one resource reads.

mod accept;
mod link;
mod prefer;
mod single;

pub use accept::accepts_by_name;
pub use link::{Link, links};
pub use prefer::Preferences;
pub(crate) use prefer::split_unquoted;
pub use single::{Single, single};
