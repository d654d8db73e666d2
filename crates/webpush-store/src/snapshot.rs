//! Snapshots: what a store holds at one moment, record by record. For copies, counts and lists.

use crate::StoreError;
use webpush_core::id::{InboxId, Position};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// The records of one moment, read one by one.
///
/// First comes [`Record::Position`]; then each inbox in the order of IDs, followed by its subscriptions and by its entries
/// in the order of acceptance. Damaged records are left out. Nothing follows an error.
pub type Snapshot = Box<dyn Iterator<Item = Result<Record, StoreError>> + Send>;

/// The parts of a store that a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Only inboxes after this one.
    pub after: Option<InboxId>,
    /// Set to show subscriptions.
    pub subscriptions: bool,
    /// Which entries are.
    pub entries: Entries,
}

/// Entries on a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// None.
    None,
    /// The oldest of each inbox.
    First,
    /// All, expired ones included.
    All,
}

impl Detail {
    /// Everything that a store holds.
    pub const EVERYTHING: Self = Self { after: None, subscriptions: true, entries: Entries::All };
    /// Only inboxes.
    pub const INBOXES: Self = Self { after: None, subscriptions: false, entries: Entries::None };
}

/// One thing that a store holds.
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

/// An inbox, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRecord {
    /// The inbox.
    pub inbox: Inbox,
    /// The beginning of the hour in which it was last monitored, if it ever was.
    pub monitored: Option<Timestamp>,
    /// How much it holds. Counted anew where it is put back.
    pub holds: InboxUsage,
}

/// How much an inbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxUsage {
    /// Messages or receipts, expired ones that are still there included.
    pub entries: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Subscriptions.
    pub subscriptions: u64,
}
