//! One entry as it goes to an agent by server push: always in the form of the protocol that its subscription was made
//! in, whichever URL of the inbox the agent listens at. So each message is acknowledged in one way only.

use super::{legacy, rfc8030};
use crate::capability::Keyring;
use crate::inbox::{Entry, OutboundEntry};
use crate::subscription::{Protocol, Subscription};
use crate::time::Timestamp;
use bytes::Bytes;
use http::Response;
use http::header::HeaderValue;

/// A promised GET and its response.
#[derive(Debug)]
pub struct Pushed {
    /// The path of the promised GET.
    pub path: String,
    /// The `Link` of the promised request and the response: which subscription it is for (RFC 8030 §6.1).
    pub link: Option<HeaderValue>,
    /// The response to the promised request.
    pub response: Response<Bytes>,
    /// How it becomes known that it has arrived.
    pub acknowledged: Acknowledged,
}

/// How it becomes known that an entry has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// Its agent says so (RFC 8030 §6.2).
    ByAgent,
    /// Nobody says so: the peer must be seen to have read it. It has when it was handed over whole, was not reset, and as
    /// many PINGs, each sent after the one before was answered, came back.
    ByPings(u8),
}

impl Pushed {
    /// Renders an entry. A receipt has no subscription.
    ///
    /// Returns `None` when a URL can't be made because its sealing key is not held any more, and for a message that
    /// its protocol has another way for.
    #[must_use]
    pub fn new(
        entry: &OutboundEntry,
        subscription: Option<&Subscription>,
        keyring: &Keyring,
        origin: &str,
        now: Timestamp,
    ) -> Option<Self> {
        if let OutboundEntry::Stored(Entry::Receipt(receipt)) = entry {
            return rfc8030::push_receipt(receipt, keyring, now);
        }
        let message = entry.message()?;
        let Subscription { protocol, key, .. } = *subscription?;
        match protocol {
            Protocol::Rfc8030 => rfc8030::push_message(message, entry.entry_ref(), key, keyring, origin, now),
            Protocol::Legacy => legacy::push_message(message, key, keyring, now),
            // Its agent acknowledges on its socket.
            Protocol::Autopush(_) => None,
        }
    }
}
