//! Delivery to a connected agent, the same for all protocols (sans-IO).
//!
//! ```text
//!                              page has entries
//!   new ──▶ Fetching ─────────────────────────────▶ Sending
//!           ▲  ▲  │                                 ▲  │  │
//!           │  │  │ page is empty                   │  │  │
//!           │  │  ▼          all sent               │  │  │
//!           │  └─ Idle ◀────────────────────────────┼──┘  │
//!           │     │  update without a gap           │     │
//!           │     └─────────────────────────────────┘     │
//!           └─────────────────────────────────────────────┘
//!                       all sent, inbox has more
//!
//!   Idle ──▶ Fetching:  update with a gap, redelivery is due, or the window has room again
//!   any  ──▶ Finished:  removed, shutting down, or the wait is over
//! ```
//! Events go in through [`Session::handle`], commands come out of [`Session::next_command`] in order.
//!
//! | to find | look in |
//! |---|---|
//! | events, commands, scopes | [`Input`], [`Command`], [`Scope`] |
//! | the state machine | `state` |
//! | what was processed, per urgency | `progress` |
//! | messages in flight to an agent that acknowledges on its own connection | `window` |
//! | the interface between a protocol and its driver | `delivery`: [`DeliveryProtocol`] |
//! | how much a store reads at once | [`ScanBudget`] |
//! | pings of WebSockets | [`keepalive`] |
//! | a queue that is small while empty | `queue`: [`Queue`] |

mod delivery;
pub mod keepalive;
mod progress;
mod queue;
mod scan_budget;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod window;

pub use delivery::{DeliveryProtocol, ProtocolCommand};
pub use queue::Queue;
pub use scan_budget::ScanBudget;
pub use state::Session;

use crate::id::{EntryRef, InboxId, Position, SubscriptionId};
use crate::inbox::{Entry, OutboundEntry};
use crate::time::Timestamp;
use crate::urgency::Urgency;
use std::time::Duration;

/// Maximum number of entries in a page.
pub const FETCH_ENTRIES: usize = 32;

/// Maximum number of rows that a store scans for one page, including those that the scope excludes.
pub const FETCH_SCAN_ROWS: usize = 128;

/// Bytes of message bodies after which a store ends a page, including those that the scope excludes.
pub const FETCH_SCAN_BYTES: usize = 64 * 1024;

/// Maximum number of TTL 0 messages that wait in a session for earlier deliveries.
pub(crate) const SESSION_LIVE_MESSAGES: usize = 64;

/// Maximum number of messages in flight to an agent that acknowledges on its own connection.
pub const SESSION_WINDOW: usize = 2 * FETCH_ENTRIES;

/// Maximum number of entries in an [`InboxUpdate`]. Sessions fetch larger updates from the store.
pub const UPDATE_ENTRIES: usize = 32;

/// Bytes of bodies in an [`InboxUpdate`], beyond which no entry is added.
///
/// A session that cannot send holds its update, so it must be small. Each body is shared with the store and the other
/// sessions only as long as these have it.
pub const UPDATE_BYTES: usize = 16 * 1024;

const _: () = assert!(UPDATE_ENTRIES <= FETCH_ENTRIES, "an update must be no larger than a page");
const _: () = assert!(FETCH_ENTRIES <= FETCH_SCAN_ROWS, "a scan must be able to fill a page");

/// The part of an inbox that a session delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The inbox.
    pub inbox: InboxId,
    /// The only subscription; `None` for all.
    pub subscription: Option<SubscriptionId>,
    /// The minimum urgency (RFC 8030 §5.3).
    pub min_urgency: Urgency,
}

/// How long a session waits for new entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMode {
    /// Until the agent disconnects.
    Indefinite,
    /// Not at all: the session ends when all stored entries are sent (`Prefer: wait=0`, RFC 8030 §6).
    UntilEmpty,
    /// Until this time (`Prefer: wait=N`).
    Until(Timestamp),
}

/// An event of a session.
#[derive(Debug)]
pub enum Input {
    /// The result of [`Command::Fetch`].
    Fetched(Page),
    /// The oldest pending [`Command::Deliver`] was carried out.
    Sent {
        /// True if the transport confirmed the delivery of an entry without acknowledgement.
        ///
        /// Such entries are receipts, and messages of a protocol without acknowledgements.
        confirmed: bool,
    },
    /// The oldest pending [`Command::Deliver`] was skipped: the entry has ended, or has no URL.
    Skipped,
    /// Entries were committed to the inbox.
    Update(InboxUpdate),
    /// The agent acknowledged these entries on its own connection.
    Acknowledged(Vec<EntryRef>),
    /// The agent changed the minimum urgency (RFC 8030 §5.3).
    MinUrgency(Urgency),
    /// The inbox or the subscription was removed (RFC 8030 §7.3).
    Gone,
    /// The agent has opened another session, which replaces this one.
    Superseded,
    /// The service shuts down.
    Draining,
    /// The time that [`Session::next_deadline`] returned has been reached.
    Deadline,
}

/// A page of an inbox, in order of acceptance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries in the scope of the session.
    pub entries: Vec<Entry>,
    /// The position up to which the inbox was scanned; the next page starts after it.
    pub scanned: Position,
    /// True if the inbox may have more entries.
    pub more: bool,
}

impl Page {
    /// Returns true if nothing was found so far: there are no entries, and the inbox may have more.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.entries.is_empty() && self.more
    }
}

/// Entries that were committed to an inbox.
///
/// An update may be lost: the next one shows the gap, and the session fetches what is missing.
#[derive(Clone, Debug, Default)]
pub struct InboxUpdate {
    /// The position of the last entry before the update.
    pub previous: Position,
    /// The position of the last entry of the update.
    pub last: Position,
    /// The entries; empty if there are more than [`UPDATE_ENTRIES`].
    pub entries: Vec<Entry>,
    /// TTL 0 messages, including those stored for a receipt or a topic, which fetches do not return.
    pub live: Vec<OutboundEntry>,
    /// True if there may be further entries without an update, because the store was down.
    pub missed: bool,
}

/// A command of a session to its driver.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Read a page of the inbox, then pass [`Input::Fetched`].
    Fetch {
        /// The position after which the page starts.
        after: Position,
    },
    /// Send an entry, then pass [`Input::Sent`] or [`Input::Skipped`].
    Deliver(OutboundEntry),
    /// Settle delivered entries before the next command.
    Settle {
        /// The entries.
        entries: Vec<EntryRef>,
        /// True if the commit must be durable.
        ///
        /// Otherwise no receipt depends on it, and losing it only repeats a delivery.
        durable: bool,
    },
    /// End the stream. Only [`Command::Settle`] may follow.
    Finish(End),
}

/// The reason for the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There was nothing to send (RFC 8030 §6: 204).
    Nothing,
    /// All entries were sent (200).
    Complete,
    /// The inbox or the subscription was removed (RFC 8030 §7.3: 404).
    Gone,
}

/// The time after which an unacknowledged entry is sent again; `None` for never.
pub type Redelivery = Option<Duration>;
