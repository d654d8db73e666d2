//! Parsers of structured request headers.

mod accept;
mod link;
mod prefer;
mod single;

pub use accept::accepts_explicitly;
pub use link::{Link, links};
pub use prefer::Preferences;
pub(crate) use prefer::split_unquoted;
pub use single::{Single, single};
