//! The 128-bit names of things. Every kind is a type of its own, so that one can't stand where another is meant.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes 128 bits from a cryptographic random source, or from storage.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bits, for storage and for sealing into a URL.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        /// Prints the kind only: an id is half of a capability, so logs must not show it.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

id! {
    /// Names one inbox: an agent's messages, or the receipts of a receipt subscription.
    InboxId
}
id! {
    /// Names one subscription within its agent. Fresh for every creation, never reused.
    SubscriptionId
}
id! {
    /// What a user agent calls one of its subscriptions (autopush: `channelID`). Its own choice, so it names nothing
    /// outside of its agent.
    ChannelId
}
id! {
    /// Names one message for life, whatever store or node it is on.
    MessageId
}

/// The place of an entry in the order of acceptance of its inbox.
///
/// Assigned by the store at commit, growing, opaque; not promised to survive a migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before every entry.
    pub const START: Self = Self(0);

    /// Takes a position as a store wrote it.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number, for storage.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Where one entry is, and which one it is.
///
/// The position is how a store finds it at once, the id decides whether it is the right one. A search by id alone is not
/// offered: whoever holds the URL of a message that has gone could have a whole inbox read again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// The inbox that holds it.
    pub inbox: InboxId,
    /// Its place there; [`Position::START`] for a message that was never stored.
    pub position: Position,
    /// The message, or for a receipt the message it is about.
    pub message: MessageId,
}

impl EntryRef {
    /// Creates the reference of a message that was never stored (TTL 0). Its URL holds this.
    #[must_use]
    pub const fn unstored(inbox: InboxId, message: MessageId) -> Self {
        Self { inbox, position: Position::START, message }
    }

    /// Returns true if a store gave the entry a position.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.position > Position::START
    }
}
