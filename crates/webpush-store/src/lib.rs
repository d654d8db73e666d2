//! Where inboxes live: one trait, one contract, several backends.
//!
//! | to find | look in |
//! |---|---|
//! | what a store must do | [`Store`], and in words that run: [`contract`] |
//! | how much an inbox may hold, and for how long | [`Quota`], [`IdleLimits`] |
//! | the model, in memory | [`memory`] |
//! | the durable one on this machine | [`embedded`] |
//! | what it holds at one moment, to copy or to list it | [`Snapshot`], put back by [`Op::Restore`] |
//! | what a store says of itself, in numbers | [`statistics`] |
//! | the clock of this machine | [`system`] |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look at the machine itself"))]

pub mod contract;
pub mod disk;
pub mod embedded;
mod idle;
pub mod memory;
mod op;
mod open_mode;
mod quota;
pub mod simulation;
mod snapshot;
pub mod statistics;
pub mod system;

pub use idle::{IdleCheck, IdleLimits};
pub use op::{Appended, Applied, Durability, Op, Removed, Settled};
pub use quota::Quota;
pub use snapshot::{Detail, Entries, InboxRecord, InboxUsage, Record, Snapshot};
pub use statistics::Statistics;

use std::fmt;
use std::sync::Arc;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// Called once, when a commit is over: in the order of submission, on a thread of the store, so it must be quick, must
/// not block and must not panic. A commit that is refused at once is over before `commit` returns, on its thread.
pub type Done = Box<dyn FnOnce(Result<Vec<Applied>, StoreError>) + Send>;

/// Inboxes with their subscriptions and entries.
///
/// Writes come in batches and are applied in the order of submission; a batch is seen whole or not at all, by readers
/// and after a crash. What is applied may be read a moment before it is durable; nobody is told that it was accepted
/// before `done` is called. Reads are synchronous and bounded.
pub trait Store: Send + Sync + 'static {
    /// Applies operations in order. With [`Durability::Durable`] `done` is called with `Ok` only after all of them
    /// are on disk. `Ok` holds one [`Applied`] for each operation. After `Err` it is not known which were applied.
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done);

    /// Looks an inbox up.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError>;

    /// Looks a subscription up.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Subscription>>, StoreError>;

    /// Looks a subscription up by what its agent calls it.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Arc<Subscription>>, StoreError>;

    /// Reads one entry: the one at that position, if it has that id.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError>;

    /// Reads at most [`webpush_core::session::FETCH_ENTRIES`] entries of an inbox after a position that the scope
    /// admits and that have not expired at `now`, in the order of acceptance.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError>;

    /// Reads the newest entry of an inbox that the scope admits and that has not expired at `now`. It is looked for among
    /// the newest [`webpush_core::session::FETCH_SCAN_ROWS`] rows.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn latest(&self, scope: &Scope, now: Timestamp) -> Result<Option<Entry>, StoreError>;

    /// Names at most `limit` messages that have come to their end at `now` ([`webpush_core::message::Message::ends`]), and when the next one will.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError>;

    /// Names at most `limit` inboxes that are idle, each to be removed with [`Op::RemoveIdle`]. When it names as many,
    /// there may be more.
    ///
    /// # Errors
    /// [`StoreError`] when the answer can't be had.
    fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError>;

    /// Takes a snapshot: of all that was applied when this was called, and of nothing later, however long it is read. What
    /// was committed before has its place on it. It holds up nothing, but takes room while it is there; when the store is
    /// closed or fails it ends with an error.
    ///
    /// # Errors
    /// [`StoreError`] when none can be taken.
    fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError>;

    /// What the store says of itself; nothing if it has neither a disk nor a queue. Quick, whatever state it is in.
    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// Finishes what was submitted, makes it durable, and answers everything from then on with
    /// [`StoreError::Unavailable`]. Returns when that is done; not to be called by a [`Done`].
    fn close(&self);
}

/// Whether a fetch hands an entry out. A receipt has no subscription and no urgency: only a scope that names a
/// subscription leaves it out.
fn admits(scope: &Scope, entry: &Entry, now: Timestamp) -> bool {
    match entry {
        Entry::Message(message) => {
            scope.only.is_none_or(|only| only == message.subscription)
                && message.urgency >= scope.floor
                && !message.is_expired(now)
        }
        Entry::Receipt(_) => scope.only.is_none(),
    }
}

/// Expired messages that are still there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be settled as expired.
    pub entries: Vec<EntryRef>,
    /// When the first message not named here expires, if there is one.
    pub next: Option<Timestamp>,
}

/// Why a store did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Not now: the disk is full or failing, or the store is closed. It may work again later.
    Unavailable,
    /// Too much waits already. Nothing of the request was done.
    Busy,
    /// What was read is not what was written.
    Corrupt,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the store is not available",
            Self::Busy => "the store has too much to do",
            Self::Corrupt => "the store holds a damaged record",
        })
    }
}

impl std::error::Error for StoreError {}
