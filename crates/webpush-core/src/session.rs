//! The agent's side, once for all protocols: what a listening agent is sent, and when (sans-IO).
//!
//! ```text
//!            begin                 page not empty            all sent, more behind
//!   (new) ─────────▶ Fetching ───────────────────▶ Sending ──────────────────────┐
//!                     ▲   │ page empty                │ all sent                 │
//!                     │   ▼                           ▼                          │
//!            woken ─ Quiet ◀──────────────────────────┘                          │
//!     acknowledged    │ ▲                              full window               │
//!                     │ ▲                                                        │
//!                     │ └── woken, nothing missed: straight to Sending           │
//!                     └───────────────◀──────────────────────────────────────────┘
//!   any ── ended, drained, time up ──▶ Over
//! ```
//! One input at a time goes in through [`Session::handle`]; what is to be done comes out of
//! [`Session::next_command`], in order. A driver has no decisions to make.

mod delivery;
pub mod keepalive;
mod progress;
mod queue;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod window;

pub use delivery::{DeliveryProtocol, ProtocolCommand};
pub use queue::Queue;
pub use state::Session;

use crate::id::{EntryRef, InboxId, Position, SubscriptionId};
use crate::inbox::{Entry, OutboundEntry};
use crate::time::Timestamp;
use crate::urgency::Urgency;
use std::time::Duration;

/// Entries that a session asks its store for at once.
pub const FETCH_ENTRIES: usize = 32;

/// Rows that a store may look at to answer one fetch; filtered-out rows count.
pub const FETCH_SCAN_ROWS: usize = 1024;

/// Messages that were never stored (TTL 0) and wait in a session for the one before to be written.
pub(crate) const SESSION_LIVE_MESSAGES: usize = 64;

/// Messages that may be under way to an agent that acknowledges on its own connection, delivered and not acknowledged.
pub const SESSION_WINDOW: usize = 2 * FETCH_ENTRIES;

/// Entries handed to a sleeping session with its wake; a session with more behind it fetches instead.
pub const WAKE_ENTRIES: usize = 32;

const _: () = assert!(WAKE_ENTRIES <= FETCH_ENTRIES, "a wake must fit into one turn of a session");
const _: () = assert!(FETCH_ENTRIES <= FETCH_SCAN_ROWS, "a fetch must be able to fill itself");

/// What a session listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The inbox.
    pub inbox: InboxId,
    /// Only this subscription's messages; all when absent.
    pub only: Option<SubscriptionId>,
    /// Nothing below this urgency (RFC 8030 §5.3).
    pub min_urgency: Urgency,
}

/// How long a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMode {
    /// Until the agent goes away.
    Held,
    /// Until everything stored was sent (`Prefer: wait=0`, RFC 8030 §6).
    UntilEmpty,
    /// Until then (`Prefer: wait=N`).
    Until(Timestamp),
}

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// The answer to [`Command::Fetch`].
    Fetched(Page),
    /// The oldest entry handed out by [`Command::Deliver`] is off the driver's hands: there is room for another.
    Sent {
        /// The other side is known to have read it, and nothing more will be heard of it: a receipt, or a message of a
        /// protocol without acknowledgements. Other messages are taken when the agent says so.
        taken: bool,
    },
    /// The oldest entry handed out was not sent: it had to wait, and is not wanted any more or can't be sent.
    Withheld,
    /// Entries were committed to the inbox.
    Update(InboxUpdate),
    /// The agent acknowledged these, on its own connection.
    Acknowledged(Vec<EntryRef>),
    /// The agent wants nothing below this urgency from now on (RFC 8030 §5.3), or something that it did not want before.
    MinUrgency(Urgency),
    /// The inbox or the subscription is gone (RFC 8030 §7.3).
    Gone,
    /// The service shuts down.
    Draining,
    /// The time given by [`Session::next_deadline`] has come.
    Deadline,
}

/// A part of an inbox, in the order of acceptance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries that passed the filter.
    pub entries: Vec<Entry>,
    /// Everything up to here was looked at.
    pub seen: Position,
    /// There may be more after it.
    pub more: bool,
}

/// News of one inbox. It may be lost harmlessly: then the next one is seen to follow a gap.
#[derive(Clone, Debug, Default)]
pub struct InboxUpdate {
    /// The last entry before these.
    pub previous: Position,
    /// The last of these.
    pub last: Position,
    /// The entries; empty when there were too many to hand over.
    pub entries: Vec<Entry>,
    /// Messages with TTL 0: those that nobody stored, and those stored for a receipt or a topic, which no fetch finds.
    pub live: Vec<OutboundEntry>,
    /// There may be entries that nobody told of: the store was down.
    pub missed: bool,
}

/// What a session wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Read a page of the inbox after a position and answer with [`Input::Fetched`].
    Fetch {
        /// Where to go on.
        after: Position,
    },
    /// Send an entry, then say [`Input::Sent`] or [`Input::Withheld`].
    Deliver(OutboundEntry),
    /// Settle what was taken or acknowledged, before going on.
    Settle {
        /// The entries.
        entries: Vec<EntryRef>,
        /// It must be durable, since somebody is told of it or a receipt may be owed. Otherwise its loss would only repeat a
        /// delivery.
        durable: bool,
    },
    /// End the stream. After this only what was acknowledged on the way out is settled.
    Finish(End),
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There was nothing to send (RFC 8030 §6: 204).
    Nothing,
    /// Everything was sent (200).
    Complete,
    /// What it listened to is gone (RFC 8030 §7.3: 404).
    Gone,
}

/// When a delivered entry counts as lost and is sent again, if the transport of the session does that.
pub type Redelivery = Option<Duration>;
