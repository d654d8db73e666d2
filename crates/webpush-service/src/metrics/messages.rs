//! Messages and receipts: acceptance, outcome and latency.

use super::exposition::{Counters, Exposition};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::message::Outcome;
use webpush_core::subscription::ProtocolKind;
use webpush_core::time::Timestamp;
use webpush_store::Applied;
use webpush_store::statistics::{Distribution, Histogram};

const PROTOCOLS: [&str; ProtocolKind::ALL.len()] = {
    let [rfc8030, autopush, legacy, chromium] = ProtocolKind::ALL;
    [rfc8030.as_str(), autopush.as_str(), legacy.as_str(), chromium.as_str()]
};
/// In the order of [`Outcome`].
const OUTCOMES: [&str; 5] = ["delivered", "expired", "replaced", "canceled", "dropped"];
/// In the order of [`LiveResult`].
const LIVE: [&str; 3] = ["taken", "nobody", "other_nodes"];

/// Bounds of the histograms, in milliseconds: the precision of the timestamps of messages.
const TIMES: &[u64] = &[1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 300_000, 3_600_000, 86_400_000];

/// Messages and receipts.
#[derive(Debug)]
pub struct Messages {
    accepted: Counters<{ ProtocolKind::ALL.len() }>,
    live: Counters<3>,
    ended: Counters<5>,
    receipts_dropped: AtomicU64,
    delivery: Histogram,
    acknowledgement: Histogram,
}

/// The result of offering a message with TTL 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveResult {
    /// A session accepted it.
    Taken,
    /// There was no session, and no other node.
    Nobody,
    /// It was offered to the sessions of other nodes.
    OtherNodes,
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
    /// Counts an accepted message.
    pub fn count_accepted(&self, protocol: ProtocolKind) {
        self.accepted.add(protocol as usize, 1);
    }

    /// Counts a message with TTL 0.
    pub fn count_live(&self, result: LiveResult) {
        self.live.add(result as usize, 1);
    }

    /// Records the latency of an entry written to its agent's connection.
    ///
    /// `accepted` is `None` for a receipt, which has no latency.
    pub fn observe_delivery(&self, accepted: Option<Timestamp>, now: Timestamp) {
        if let Some(accepted) = accepted {
            self.delivery.note(millis(accepted, now));
        }
    }

    /// Counts messages and receipts that a commit ended as a side effect.
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

    /// Counts a settled message.
    pub fn count_settled(&self, outcome: Outcome, accepted: Timestamp, now: Timestamp) {
        self.end(outcome, 1);
        if outcome == Outcome::Delivered {
            self.acknowledgement.note(millis(accepted, now));
        }
    }

    /// Returns how many messages and receipts were dropped because an inbox was full (RFC 8030 §7.2).
    #[must_use]
    pub fn dropped(&self) -> (u64, u64) {
        (self.ended.get(Outcome::Dropped as usize), self.receipts_dropped.load(Ordering::Relaxed))
    }

    /// Returns the times from acceptance to delivery, and to acknowledgement.
    pub(super) fn times(&self) -> (Distribution, Distribution) {
        (self.delivery.distribution(), self.acknowledgement.distribution())
    }

    pub(super) fn total_accepted(&self) -> u64 {
        self.accepted.labeled(PROTOCOLS).map(|(_, number)| number).sum()
    }

    /// Returns the number of ended messages by outcome.
    pub(super) fn ended_by_outcome(&self) -> BTreeMap<&'static str, u64> {
        self.ended.labeled(OUTCOMES).collect()
    }

    fn end(&self, outcome: Outcome, messages: usize) {
        self.ended.add(outcome as usize, messages as u64);
    }

    pub(super) fn encode(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.counters(
            "messages_accepted",
            "Messages accepted, by protocol of the subscription.",
            "protocol",
            self.accepted.labeled(PROTOCOLS),
        )?;
        out.counters(
            "messages_live",
            "Messages with TTL 0 accepted, by result: taken by a session, nobody connected, or offered to the other nodes of a \
             cluster, as nobody is connected to this one. Those with a receipt or topic also count in messages_ended.",
            "result",
            self.live.labeled(LIVE),
        )?;
        out.counters(
            "messages_ended",
            "Stored messages ended, by outcome: delivered (acknowledged), expired, replaced (same topic), canceled (deleted \
             by the sender or with the subscription), dropped (quota).",
            "outcome",
            self.ended.labeled(OUTCOMES),
        )?;
        let (_, receipts) = self.dropped();
        out.counter(
            "receipts_dropped",
            "Receipts dropped because the quota of their inbox was exceeded.",
            receipts,
        )?;
        out.times(
            "message_delivery",
            "Seconds from acceptance to each write to the agent's connection.",
            &self.delivery.distribution(),
            1e3,
        )?;
        out.times(
            "message_acknowledgement",
            "Seconds from acceptance to the settled acknowledgement.",
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
    fn only_delivered_messages_count_in_the_acknowledgement_histogram() {
        let messages = Messages::default();
        let [accepted, now] = [1_000, 1_030].map(Timestamp::from_millis);
        for outcome in [Outcome::Delivered, Outcome::Expired, Outcome::Expired, Outcome::Canceled] {
            messages.count_settled(outcome, accepted, now);
        }
        // The clock was set back.
        messages.count_settled(Outcome::Delivered, now, accepted);
        let ended: Vec<_> = messages.ended.labeled(OUTCOMES).map(|(_, number)| number).collect();
        assert_eq!(ended, [2, 2, 0, 1, 0]);
        let times = messages.acknowledgement.distribution();
        assert_eq!((times.counts.iter().sum::<u64>(), times.sum), (2, 30));
        messages.observe_delivery(None, now);
        assert_eq!(messages.delivery.distribution().counts.iter().sum::<u64>(), 0, "a receipt");
    }

    #[test]
    fn labels_are_in_the_order_of_the_results() {
        for (result, name) in [
            (LiveResult::Taken, "taken"),
            (LiveResult::Nobody, "nobody"),
            (LiveResult::OtherNodes, "other_nodes"),
        ] {
            assert_eq!(LIVE[result as usize], name);
        }
    }

    #[test]
    fn labels_are_in_the_order_of_the_outcomes() {
        for (outcome, name) in [
            (Outcome::Delivered, "delivered"),
            (Outcome::Expired, "expired"),
            (Outcome::Replaced, "replaced"),
            (Outcome::Canceled, "canceled"),
            (Outcome::Dropped, "dropped"),
        ] {
            assert_eq!(OUTCOMES[outcome as usize], name);
        }
    }
}
