//! The store of inboxes: one trait, one contract suite, several backends.
//!
//! | to find | look in |
//! |---|---|
//! | what a store must do | [`Store`]; as executable rules, [`contract`] |
//! | operations, and what each one did | [`Op`], [`Applied`] |
//! | events for every commit | [`CommitObserver`] |
//! | what handles tell each other beside their commits | [`Notice`] |
//! | one type for all backends | [`Backend`] |
//! | limits of one inbox | [`Quota`], [`IdleLimits`] |
//! | the reference model in memory, with fault injection | [`memory`] |
//! | the durable store of one machine | [`embedded`] |
//! | the store of a cluster | [`postgres`] |
//! | consistent snapshots, for backups and lists | [`Snapshot`], restored by [`Op::Restore`] |
//! | metrics of a store | [`statistics`] |
//! | the clock of this machine | [`system`] |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look at the machine itself"))]

mod backend;
pub mod cells;
pub mod contract;
pub mod disk;
pub mod embedded;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod idle;
pub mod memory;
mod notice;
mod observer;
mod op;
mod open_mode;
mod position;
pub mod postgres;
mod quota;
pub mod simulation;
mod snapshot;
mod space;
pub mod statistics;
mod store;
pub mod system;
mod threads;

pub use backend::Backend;
pub use error::StoreError;
pub use idle::{IdleCheck, IdleLimits};
pub use notice::{MESSAGE_NOTICE_SESSION_AGE, Notice};
pub use observer::{CommitEvent, CommitObserver, Origin};
pub use op::{AppendResult, Applied, Durability, Op, RemovalResult, SettleResult};
pub use quota::Quota;
pub use snapshot::{Detail, Entries, InboxRecord, InboxUsage, Record, Snapshot};
pub use statistics::{ClusterStatistics, Statistics};
pub use store::{Done, Due, Latest, Store};

use webpush_core::inbox::Entry;
use webpush_core::session::Scope;
use webpush_core::time::Timestamp;

/// Returns true if a read with this scope returns the entry: it is in the scope, and has not expired.
fn is_visible(scope: &Scope, entry: &Entry, now: Timestamp) -> bool {
    scope.admits(entry) && !entry.is_expired(now)
}
