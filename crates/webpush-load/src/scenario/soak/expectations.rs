//! The messages and receipts that must still arrive, and those that must not.

use crate::body::Stamp;
use crate::histogram::Histogram;
use anyhow::ensure;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Messages whose acknowledgement was confirmed that are remembered.
const CONFIRMED: usize = 100_000;
/// Subscriptions that were removed that are remembered.
const REMOVED: usize = 10_000;

/// The end that a message must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// It must be delivered.
    Deliver,
    /// It must be delivered, unless a later one with its topic is accepted.
    Replace {
        /// The topic, one of few.
        topic: usize,
    },
    /// It may expire.
    Expire,
}

/// Everything that clients expect of the server. Shared by all of them.
#[derive(Default)]
pub(super) struct Expectations(Mutex<State>);

#[derive(Default)]
struct State {
    /// Messages that must be delivered, by number.
    pending: HashMap<u64, u64>,
    /// The newest message of each topic, by subscription and topic.
    topics: HashMap<(u64, usize), u64>,
    removed: Recent,
    /// Messages whose acknowledgement the server has confirmed.
    confirmed: Recent,
    /// Messages that owe a receipt, by URL.
    owed: HashSet<String>,
    /// Receipts that came before the response to their message.
    early: HashSet<String>,
    counts: Counts,
    posts: Histogram,
    deliveries: Histogram,
    /// Failures, by description.
    violations: BTreeMap<&'static str, u64>,
}

/// The counts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    /// Refused because the subscription was removed.
    pub(super) refused: u64,
    pub(super) delivered: u64,
    /// Delivered again, because they were not acknowledged before.
    pub(super) redelivered: u64,
    pub(super) receipts: u64,
    pub(super) unsubscribed: u64,
    pub(super) sessions: u64,
}

/// A set of the last numbers.
#[derive(Default)]
struct Recent {
    numbers: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    fn add(&mut self, number: u64, limit: usize) {
        if self.numbers.insert(number) {
            self.order.push_back(number);
        }
        if self.order.len() > limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.numbers.remove(&oldest);
        }
    }

    fn contains(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }
}

impl Expectations {
    /// Records a message that is about to be sent: it may arrive before the response to its sender.
    pub(super) fn sending(&self, number: u64, subscription: u64, duty: Duty) {
        let mut state = self.lock();
        if duty != Duty::Expire && !state.removed.contains(subscription) {
            state.pending.insert(number, subscription);
        }
    }

    /// Records that a message was accepted.
    pub(super) fn accepted(&self, number: u64, subscription: u64, duty: Duty, latency: Duration) {
        let mut state = self.lock();
        state.counts.accepted += 1;
        state.posts.record(latency);
        if let Duty::Replace { topic } = duty
            && !state.removed.contains(subscription)
            && let Some(replaced) = state.topics.insert((subscription, topic), number)
        {
            state.pending.remove(&replaced);
        }
    }

    /// Records that a message was refused with 404 or 410, which is only right for a removed subscription.
    pub(super) fn refused(&self, number: u64, subscription: u64) {
        let mut state = self.lock();
        state.counts.refused += 1;
        state.pending.remove(&number);
        if !state.removed.contains(subscription) {
            *state.violations.entry("messages refused for a subscription that exists").or_default() += 1;
        }
    }

    /// Records that a message arrived. With `was_connected`, its agent was waiting when it was sent.
    pub(super) fn received(&self, stamp: Stamp, now: Duration, was_connected: bool) {
        let mut state = self.lock();
        let is_first = state.pending.remove(&stamp.number).is_some();
        state.counts.delivered += u64::from(is_first);
        state.counts.redelivered += u64::from(!is_first);
        if was_connected {
            state.deliveries.record(now.saturating_sub(stamp.due));
        }
        if state.confirmed.contains(stamp.number) {
            *state.violations.entry("messages delivered after their acknowledgement").or_default() += 1;
        }
    }

    /// Records that the server has confirmed an acknowledgement.
    pub(super) fn confirmed(&self, number: u64) {
        self.lock().confirmed.add(number, CONFIRMED);
    }

    /// Records that a subscription is about to be removed, with its messages.
    pub(super) fn removing(&self, subscription: u64) {
        let mut state = self.lock();
        state.counts.unsubscribed += 1;
        state.removed.add(subscription, REMOVED);
        state.pending.retain(|_, of| *of != subscription);
        state.topics.retain(|(of, _), _| *of != subscription);
    }

    /// Records that a message owes a receipt.
    pub(super) fn owes_receipt(&self, message: &str) {
        let mut state = self.lock();
        if !state.early.remove(message) {
            state.owed.insert(message.to_owned());
        }
    }

    /// Records a receipt.
    pub(super) fn receipt(&self, message: &str) {
        let mut state = self.lock();
        state.counts.receipts += 1;
        if !state.owed.remove(message) {
            state.early.insert(message.to_owned());
        }
    }

    /// Records that an agent has connected.
    pub(super) fn connected(&self) {
        self.lock().counts.sessions += 1;
    }

    /// Records a session that the server has ended, for which a run gives no reason.
    pub(super) fn ended_by_the_server(&self) {
        *self.lock().violations.entry("sessions ended by the server").or_default() += 1;
    }

    /// Returns the counts so far.
    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Returns the numbers of messages and of receipts that must still arrive.
    pub(super) fn missing(&self) -> (usize, usize) {
        let state = self.lock();
        (state.pending.len(), state.owed.len())
    }

    /// Returns the latencies of responses to senders and of deliveries since the last call.
    pub(super) fn take_latencies(&self) -> (Histogram, Histogram) {
        let mut state = self.lock();
        (std::mem::take(&mut state.posts), std::mem::take(&mut state.deliveries))
    }

    /// Fails if anything happened that must not.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let state = self.lock();
        ensure!(state.violations.is_empty(), "{:?}", state.violations);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn stamp(number: u64) -> Stamp {
        Stamp { number, due: Duration::ZERO }
    }

    #[test]
    fn a_message_is_missing_until_it_arrives_is_replaced_or_loses_its_subscription() {
        let all = Expectations::default();
        let send = |number, subscription, duty| {
            all.sending(number, subscription, duty);
            all.accepted(number, subscription, duty, NOW);
        };
        send(1, 7, Duty::Deliver);
        send(2, 7, Duty::Replace { topic: 0 });
        send(3, 7, Duty::Replace { topic: 0 });
        send(4, 7, Duty::Expire);
        send(5, 8, Duty::Deliver);
        assert_eq!(all.missing().0, 3);
        all.received(stamp(1), NOW, true);
        assert_eq!(all.missing().0, 2);
        all.removing(8);
        assert_eq!(all.missing().0, 1);
        all.received(stamp(3), NOW, false);
        assert_eq!((all.missing().0, all.counts().delivered), (0, 2));
        assert_eq!(all.take_latencies().1.total(), 1);
        send(6, 8, Duty::Deliver);
        assert_eq!(all.missing().0, 0, "its subscription was removed before");
        all.check().unwrap();
    }

    #[test]
    fn a_message_that_comes_back_or_is_refused_wrongly_is_a_violation() {
        let all = Expectations::default();
        all.confirmed(1);
        all.received(stamp(1), NOW, true);
        assert!(all.check().is_err());
        let all = Expectations::default();
        all.removing(7);
        all.refused(1, 7);
        all.check().unwrap();
        all.refused(2, 8);
        assert!(all.check().is_err());
    }

    #[test]
    fn a_receipt_may_come_before_the_response() {
        let all = Expectations::default();
        all.receipt("/m/1");
        all.owes_receipt("/m/1");
        assert_eq!(all.missing().1, 0);
        all.owes_receipt("/m/2");
        assert_eq!(all.missing().1, 1);
        all.receipt("/m/2");
        assert_eq!(all.missing().1, 0);
    }
}
