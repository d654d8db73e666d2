//! 128-bit IDs, each kind with its own type, and positions in an inbox.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Creates an ID from 128 bits of a cryptographic random source, or from storage.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the bits, for storage and for sealing into a URL.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        /// Prints the kind only: an ID is half of a capability, so logs must not show it.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

id! {
    /// Identifies an inbox: an agent's messages, or the receipts of a receipt subscription.
    InboxId
}
id! {
    /// Identifies a subscription within its agent. Random and never reused.
    SubscriptionId
}
id! {
    /// An agent's own ID for one of its subscriptions (autopush: `channelID`).
    ///
    /// Chosen by the agent, so it is unique only within that agent.
    ChannelId
}
id! {
    /// Identifies a message for its whole life, including after a migration.
    MessageId
}

/// The position of an entry in its inbox, in order of acceptance.
///
/// Assigned by the store at commit; increasing and otherwise opaque. It may change in a migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position before the first entry.
    pub const START: Self = Self(0);

    /// The position after every entry.
    pub const END: Self = Self(u64::MAX);

    /// Creates a position from its number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Returns the number, for storage.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A reference to one entry of an inbox.
///
/// The store finds the entry by its position and checks the ID. There is no lookup by ID alone: with the URL of a removed
/// message, a client could make the store scan an inbox repeatedly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// The inbox.
    pub inbox: InboxId,
    /// The position in the inbox; [`Position::START`] for a message that was never stored.
    pub position: Position,
    /// The ID of the message; for a receipt, of the message that it reports on.
    pub message: MessageId,
}

impl EntryRef {
    /// Creates the reference to a message that is never stored (TTL 0), for its URL.
    #[must_use]
    pub const fn unstored(inbox: InboxId, message: MessageId) -> Self {
        Self { inbox, position: Position::START, message }
    }

    /// Returns true if the entry was stored.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.position > Position::START
    }
}
