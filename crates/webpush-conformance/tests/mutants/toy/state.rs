//! Subscriptions, messages and receipts.

use super::Mutant;
use bytes::Bytes;
use http::HeaderMap;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use webpush_core::subscription::SenderKey;

/// The service.
pub(crate) struct Toy {
    pub(crate) origin: String,
    pub(crate) mutant: Mutant,
    inner: Mutex<Inner>,
    /// Changes with every change of the state.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct Inner {
    next: u64,
    /// By token.
    pub(crate) subscriptions: BTreeMap<String, ToySubscription>,
    /// By token of the message, in no order; `number` is the order.
    pub(crate) messages: BTreeMap<String, ToyMessage>,
    /// Receipts that wait, by token of the receipt subscription.
    pub(crate) receipts: BTreeMap<String, Vec<(String, u16)>>,
}

#[derive(Clone)]
pub(crate) struct ToySubscription {
    pub(crate) push: String,
    pub(crate) set: String,
    pub(crate) restricted_to: Option<SenderKey>,
}

#[derive(Clone)]
pub(crate) struct ToyMessage {
    pub(crate) number: u64,
    pub(crate) subscription: String,
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) urgency: usize,
    pub(crate) topic: Option<String>,
    pub(crate) expires: Instant,
    /// Only for requests that were open when it came.
    pub(crate) only_live: bool,
    pub(crate) receipt: Option<String>,
}

impl Toy {
    pub(crate) fn new(origin: String, mutant: Mutant) -> Self {
        Self { origin, mutant, inner: Mutex::default(), changes: watch::Sender::new(0) }
    }

    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == mutant
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Locks the state, without messages that have expired.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap();
        let late = if self.has(Mutant::ExpiredIsDelivered) { Duration::from_secs(4) } else { Duration::ZERO };
        let now = Instant::now();
        let expired: Vec<String> = inner
            .messages
            .iter()
            .filter(|(_, message)| message.expires + late <= now)
            .map(|(token, _)| token.clone())
            .collect();
        for token in expired {
            let status = (!self.has(Mutant::ExpiryHasNoReceipt)).then_some(410);
            self.end(&mut inner, &token, status);
        }
        inner
    }

    /// Ends a message, with a receipt of this status if it asked for one.
    pub(crate) fn end(&self, inner: &mut Inner, token: &str, status: Option<u16>) {
        let Some(message) = inner.messages.remove(token) else { return };
        if let (Some(receipt), Some(status)) = (&message.receipt, status)
            && let Some(waiting) = inner.receipts.get_mut(receipt)
        {
            let status = if self.has(Mutant::ReceiptIs200) && status == 204 { 200 } else { status };
            waiting.push((token.to_owned(), status));
        }
        self.changed();
    }

    /// Removes a subscription with its messages.
    pub(crate) fn remove(&self, inner: &mut Inner, subscription: &str) {
        let tokens: Vec<String> = inner
            .messages
            .iter()
            .filter(|(_, message)| message.subscription == subscription)
            .map(|(token, _)| token.clone())
            .collect();
        tokens.iter().for_each(|token| self.end(inner, token, Some(410)));
        inner.subscriptions.remove(subscription);
        self.changed();
    }
}

impl Inner {
    /// Returns the next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Returns the subscription with this push resource.
    pub(crate) fn of_push(&self, push: &str) -> Option<(String, ToySubscription)> {
        let found = self.subscriptions.iter().find(|(_, one)| one.push == push);
        found.map(|(token, one)| (token.clone(), one.clone()))
    }
}

/// Returns a random token.
pub(crate) fn token() -> String {
    let keys = webpush_client::encryption::AgentKeys::generate().unwrap();
    let point = keys.recipient().p256dh.as_bytes();
    webpush_core::base64url::encode(&point[1..33])
}
