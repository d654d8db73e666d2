//! Snapshots: the records of a store at one moment, for backups, counts and lists.

use crate::StoreError;
use webpush_core::id::{InboxId, Position};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// The records of one moment, read one by one.
///
/// First comes [`Record::Position`]; then each inbox in the order of IDs, followed by its subscriptions and by its entries
/// in the order of acceptance. Damaged records are skipped, but a snapshot of everything then ends with
/// [`StoreError::Unreadable`]. Nothing follows an error.
pub type Snapshot = Box<dyn Iterator<Item = Result<Record, StoreError>> + Send>;

/// The parts of a store that a snapshot includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Only inboxes after this one.
    pub after: Option<InboxId>,
    /// True to include subscriptions.
    pub subscriptions: bool,
    /// The entries to include.
    pub entries: Entries,
}

/// The entries in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// None.
    None,
    /// The oldest entry of each inbox.
    First,
    /// All, including expired ones.
    All,
}

impl Detail {
    /// Everything in the store.
    pub const EVERYTHING: Self = Self { after: None, subscriptions: true, entries: Entries::All };
    /// Only inboxes.
    pub const INBOXES: Self = Self { after: None, subscriptions: false, entries: Entries::None };
}

/// A record of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// No position up to this one is assigned again.
    Position(Position),
    /// An inbox.
    Inbox(InboxRecord),
    /// A subscription of the last inbox.
    Subscription(Subscription),
    /// An entry of the last inbox.
    Entry(Entry),
}

/// An inbox with its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRecord {
    /// The inbox.
    pub inbox: Inbox,
    /// The beginning of the hour in which it was last monitored; `None` if it never was.
    pub monitored: Option<Timestamp>,
    /// Its size, which is recounted when the inbox is restored.
    pub holds: InboxUsage,
}

impl InboxRecord {
    /// Returns when the inbox was last used: the hour in which it was last monitored, or its creation.
    #[must_use]
    pub fn last_use(&self) -> Timestamp {
        self.monitored.map_or(self.inbox.created, |monitored| monitored.max(self.inbox.created))
    }
}

/// The size of an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxUsage {
    /// Messages or receipts, including expired ones that are still stored.
    pub entries: u64,
    /// Total bytes of their bodies.
    pub body_bytes: u64,
    /// Subscriptions.
    pub subscriptions: u64,
}
