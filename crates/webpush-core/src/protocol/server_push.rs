//! Renders entries for HTTP/2 server push.
//!
//! The form depends on the protocol of the subscription, not on the URL at which the agent listens, so that each message
//! is acknowledged in one way only.

use super::push_promise::PushPromise;
use super::{legacy, rfc8030};
use crate::capability::Keyring;
use crate::inbox::{Entry, OutboundEntry};
use crate::subscription::{Protocol, Subscription};
use crate::time::Timestamp;

/// Renders an entry as a promised request and its response. A receipt has no subscription.
///
/// Returns `None` if the sealing key of one of its URLs is missing, and for a message of a protocol that does not use
/// server push.
#[must_use]
pub fn push_promise(
    entry: &OutboundEntry,
    subscription: Option<&Subscription>,
    keyring: &Keyring,
    origin: &str,
    now: Timestamp,
) -> Option<PushPromise> {
    if let OutboundEntry::Stored(Entry::Receipt(receipt)) = entry {
        return rfc8030::push_receipt(receipt, keyring, now);
    }
    let message = entry.message()?;
    let Subscription { protocol, key, .. } = subscription?;
    match protocol {
        Protocol::Rfc8030 => rfc8030::push_message(message, entry.entry_ref(), *key, keyring, origin, now),
        Protocol::Legacy => legacy::push_message(message, *key, keyring, now),
        // Acknowledged on their own connections only.
        Protocol::Autopush(_) | Protocol::Chromium(..) => None,
    }
}
