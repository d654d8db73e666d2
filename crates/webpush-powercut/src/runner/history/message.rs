//! A message as its sender and its agent know it.

use std::time::{Duration, Instant};
use webpush_store::simulation::Random;

/// Length of the number at the beginning of a body.
const NUMBER_BYTES: usize = 8;

/// A message to send.
#[derive(Clone, Debug)]
pub(crate) struct MessageSpec {
    /// Its agent.
    pub(crate) inbox: usize,
    /// The path of the push resource.
    pub(crate) push: String,
    /// The topic, which only one sender uses.
    pub(crate) topic: Option<String>,
    /// Seconds; so short that it matters, or none for a day.
    pub(crate) ttl: Option<u64>,
    /// The receipt subscription, by number.
    pub(crate) receipts: Option<usize>,
    /// Length of the body in bytes.
    pub(crate) length: usize,
}

/// An assertion that a request without a response leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    No,
    Maybe,
    Yes,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) spec: MessageSpec,
    pub(super) path: Option<String>,
    pub(super) sent: u64,
    /// When 201 or 202 was read.
    pub(super) answered: Option<u64>,
    pub(super) stored: Doubt,
    /// It was acknowledged.
    pub(super) settled: Doubt,
    /// Number of requests to acknowledge it.
    pub(super) acknowledgements: u32,
    /// A message with its topic has replaced it.
    pub(super) replaced: Doubt,
    pub(super) replaced_at: u64,
    /// It was certainly acknowledged, and not replaced before.
    pub(super) owes_receipt: bool,
    /// Its receipt was acknowledged.
    pub(super) receipt_settled: Doubt,
    pub(super) expires: Option<Instant>,
}

impl Message {
    pub(super) fn new(spec: MessageSpec, sent: u64) -> Self {
        let expires = spec.ttl.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Self {
            spec,
            path: None,
            sent,
            answered: None,
            stored: Doubt::Maybe,
            settled: Doubt::No,
            acknowledgements: 0,
            replaced: Doubt::No,
            replaced_at: 0,
            owes_receipt: false,
            receipt_settled: Doubt::No,
            expires,
        }
    }

    /// Returns true if a message with that specification replaces this one.
    pub(super) fn shares_topic(&self, spec: &MessageSpec) -> bool {
        self.spec.topic == spec.topic && self.spec.push == spec.push
    }

    pub(super) const fn can_expire(&self) -> bool {
        self.expires.is_some()
    }

    /// Returns true if it was known to be stored at that time.
    pub(super) fn stored_before(&self, time: u64) -> bool {
        // Without a response it is known from a delivery, which is earlier than any later read.
        self.answered.is_none_or(|answered| answered < time)
    }
}

/// Returns the body of a message: its number, and bytes that follow from it.
#[must_use]
pub(crate) fn body(number: usize, length: usize) -> Vec<u8> {
    let mut random = Random::new(number as u64);
    let mut bytes = format!("{number:NUMBER_BYTES$}").into_bytes();
    while bytes.len() < length {
        bytes.extend(random.number().to_le_bytes());
    }
    bytes.truncate(length.max(NUMBER_BYTES));
    bytes
}

/// Returns the number of the message that has this body.
pub(super) fn number(body: &[u8]) -> Option<usize> {
    std::str::from_utf8(body.get(..NUMBER_BYTES)?).ok()?.trim_start().parse().ok()
}
