//! Messages and receipts: what came in, what became of it, and how long that took.

use super::exposition::{Counters, Exposition};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::message::Outcome;
use webpush_core::subscription::{Protocol, ProtocolKind};
use webpush_core::time::Timestamp;
use webpush_store::Applied;
use webpush_store::statistics::{Distribution, Histogram};

const PROTOCOLS: [&str; ProtocolKind::ALL.len()] = {
    let [rfc8030, autopush, legacy] = ProtocolKind::ALL;
    [rfc8030.as_str(), autopush.as_str(), legacy.as_str()]
};
/// In the order of [`Outcome`].
const OUTCOMES: [&str; 5] = ["delivered", "expired", "replaced", "cancelled", "dropped"];
const LIVE: [&str; 2] = ["taken", "nobody"];

/// In milliseconds. The clock that stamps messages has no more.
const TIMES: &[u64] = &[1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 300_000, 3_600_000, 86_400_000];

/// Messages and receipts.
#[derive(Debug)]
pub struct Messages {
    accepted: Counters<{ ProtocolKind::ALL.len() }>,
    live: Counters<2>,
    ended: Counters<5>,
    receipts_dropped: AtomicU64,
    delivery: Histogram,
    acknowledgement: Histogram,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            accepted: Counters::default(),
            live: Counters::default(),
            ended: Counters::default(),
            receipts_dropped: AtomicU64::new(0),
            delivery: Histogram::new(TIMES),
            acknowledgement: Histogram::new(TIMES),
        }
    }
}

impl Messages {
    /// A message was accepted, for a subscription of that protocol.
    pub fn count_accepted(&self, protocol: Protocol) {
        self.accepted.add(protocol.kind() as usize, 1);
    }

    /// A message with TTL 0 was offered to whoever listens, and so many sessions took it.
    pub fn count_offered(&self, sessions: usize) {
        self.live.add(usize::from(sessions == 0), 1);
    }

    /// An entry was handed to its agent's connection; a message says when it was accepted.
    pub fn observe_delivery(&self, accepted: Option<Timestamp>, now: Timestamp) {
        if let Some(accepted) = accepted {
            self.delivery.note(millis(accepted, now));
        }
    }

    /// Counts what a commit has ended besides what it was meant to end.
    pub fn count_committed(&self, applied: &[Applied]) {
        for change in applied {
            let receipts_dropped = match change {
                Applied::Appended(appended) => {
                    if appended.replaced.is_some() {
                        self.end(Outcome::Replaced, 1);
                    }
                    if !appended.dropped.is_empty() {
                        self.end(Outcome::Dropped, appended.dropped.len());
                    }
                    appended.receipts_dropped
                }
                Applied::Settled(settled) => settled.receipts_dropped,
                Applied::Removed(removed) => {
                    self.end(Outcome::Canceled, removed.messages);
                    removed.receipts_dropped
                }
                Applied::Created
                | Applied::Duplicate(_)
                | Applied::Touched
                | Applied::Refused
                | Applied::Taken
                | Applied::Missing => continue,
            };
            if receipts_dropped > 0 {
                self.receipts_dropped.fetch_add(receipts_dropped as u64, Ordering::Relaxed);
            }
        }
    }

    /// A message was settled, which had been accepted at that time.
    pub fn count_settled(&self, outcome: Outcome, accepted: Timestamp, now: Timestamp) {
        self.end(outcome, 1);
        if outcome == Outcome::Delivered {
            self.acknowledgement.note(millis(accepted, now));
        }
    }

    /// How many messages and receipts were dropped for the quota of their inbox (RFC 8030 §7.2).
    #[must_use]
    pub fn dropped(&self) -> (u64, u64) {
        (self.ended.get(Outcome::Dropped as usize), self.receipts_dropped.load(Ordering::Relaxed))
    }

    /// From acceptance to delivery, and to acknowledgement.
    pub(super) fn times(&self) -> (Distribution, Distribution) {
        (self.delivery.distribution(), self.acknowledgement.distribution())
    }

    pub(super) fn all_accepted(&self) -> u64 {
        self.accepted.named(PROTOCOLS).map(|(_, number)| number).sum()
    }

    /// By outcome.
    pub(super) fn all_ended(&self) -> BTreeMap<&'static str, u64> {
        self.ended.named(OUTCOMES).collect()
    }

    fn end(&self, outcome: Outcome, messages: usize) {
        self.ended.add(outcome as usize, messages as u64);
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.counters(
            "messages_accepted",
            "Messages that were accepted, by the protocol of their subscription.",
            "protocol",
            self.accepted.named(PROTOCOLS),
        )?;
        out.counters(
            "messages_live",
            "Accepted messages with TTL 0, by whether anybody listened. Those that owe a receipt or have a topic are stored \
             and end like others as well.",
            "result",
            self.live.named(LIVE),
        )?;
        out.counters(
            "messages_ended",
            "Stored messages by how they ended: delivered is acknowledged, replaced by one of the same topic, cancelled with \
             their subscription or by their sender, dropped for the quota of their agent.",
            "outcome",
            self.ended.named(OUTCOMES),
        )?;
        let (_, receipts) = self.dropped();
        out.counter(
            "receipts_dropped",
            "Receipts that were dropped for the quota of their inbox.",
            receipts,
        )?;
        out.times(
            "message_delivery",
            "From the acceptance of a message until it was handed to its agent's connection, for each time it was.",
            &self.delivery.distribution(),
            1e3,
        )?;
        out.times(
            "message_acknowledgement",
            "From the acceptance of a message until its acknowledgement was settled.",
            &self.acknowledgement.distribution(),
            1e3,
        )
    }
}

fn millis(from: Timestamp, until: Timestamp) -> u64 {
    until.as_millis().saturating_sub(from.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_delivered_took_time_to_be_acknowledged() {
        let messages = Messages::default();
        let [accepted, now] = [1_000, 1_030].map(Timestamp::from_millis);
        for outcome in [Outcome::Delivered, Outcome::Expired, Outcome::Expired, Outcome::Canceled] {
            messages.count_settled(outcome, accepted, now);
        }
        // A clock that was set back.
        messages.count_settled(Outcome::Delivered, now, accepted);
        let ended: Vec<_> = messages.ended.named(OUTCOMES).map(|(_, number)| number).collect();
        assert_eq!(ended, [2, 2, 0, 1, 0]);
        let times = messages.acknowledgement.distribution();
        assert_eq!((times.counts.iter().sum::<u64>(), times.sum), (2, 30));
        messages.observe_delivery(None, now);
        assert_eq!(messages.delivery.distribution().counts.iter().sum::<u64>(), 0, "it is no message");
    }

    #[test]
    fn outcomes_stand_where_they_are_named() {
        for (outcome, name) in [
            (Outcome::Delivered, "delivered"),
            (Outcome::Expired, "expired"),
            (Outcome::Replaced, "replaced"),
            (Outcome::Canceled, "cancelled"),
            (Outcome::Dropped, "dropped"),
        ] {
            assert_eq!(OUTCOMES[outcome as usize], name);
        }
    }
}
