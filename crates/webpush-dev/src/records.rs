//! All pushes that were sent to this server, until they are forgotten.

use crate::namespace::NamespaceScope;
use crate::record::{AgentAck, PushRecord, PushTarget, State};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, watch};
use webpush_core::id::MessageId;
use webpush_core::time::Timestamp;

/// Maximum number of records. The oldest are forgotten.
const MAX_RECORDS: usize = 10_000;
/// Maximum bytes of all bodies.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Maximum number of events about messages that have no record yet.
const MAX_EARLY: usize = 1_000;
/// Changes that a slow reader of events may be behind.
const CHANGES: usize = 1_024;

/// The records, oldest first.
pub(crate) struct Records {
    table: Mutex<Table>,
    /// Counts changes, for waits.
    version: watch::Sender<u64>,
    /// The numbers of records that changed, for streams.
    changes: broadcast::Sender<u64>,
}

#[derive(Default)]
struct Table {
    records: BTreeMap<u64, PushRecord>,
    /// The record of each message. A push that is delivered twice has two.
    by_message: HashMap<MessageId, u64>,
    early: Early,
    last: u64,
    body_bytes: usize,
}

/// Events of messages whose push has not been recorded yet.
#[derive(Default)]
struct Early {
    events: HashMap<MessageId, Vec<Event>>,
    order: VecDeque<MessageId>,
}

/// Something that happened to a message.
#[derive(Clone, Copy, Debug)]
enum Event {
    Ended(State, Timestamp),
    Acknowledged(AgentAck, Timestamp),
}

impl Default for Records {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            version: watch::Sender::new(0),
            changes: broadcast::Sender::new(CHANGES),
        }
    }
}

impl Records {
    /// Adds a record, and returns its number. `messages` are those that the push became.
    pub(crate) fn add(&self, mut record: PushRecord, messages: &[MessageId]) -> u64 {
        let mut table = self.table();
        table.last += 1;
        let number = table.last;
        (record.number, record.id) = (number, format!("m{number}"));
        table.body_bytes += record.content.body.len();
        table.records.insert(number, record);
        table.shrink();
        table.link(number, messages);
        self.announce(table, number);
        number
    }

    /// Sets the result of a push that was held back.
    pub(crate) fn finish(&self, number: u64, refusal: Option<String>, messages: &[MessageId]) {
        let mut table = self.table();
        if let (Some(refusal), Some(record)) = (refusal, table.records.get_mut(&number)) {
            (record.problem, record.state) = (Some(refusal), State::Refused);
        }
        table.link(number, messages);
        self.announce(table, number);
    }

    /// Records how a message ended.
    pub(crate) fn end(&self, message: MessageId, state: State, at: Timestamp) {
        self.happened(message, Event::Ended(state, at));
    }

    /// Records that a virtual agent acknowledged a message.
    pub(crate) fn acknowledge(&self, message: MessageId, what: AgentAck, at: Timestamp) {
        self.happened(message, Event::Acknowledged(what, at));
    }

    /// Records that the waiting messages of a subscription, or of all of an agent, were canceled.
    pub(crate) fn cancel(&self, is_of: impl Fn(&PushTarget) -> bool) {
        let mut table = self.table();
        let mut canceled = Vec::new();
        for (number, record) in &mut table.records {
            if record.state == State::Accepted && record.target.as_ref().is_some_and(&is_of) {
                record.state = State::Canceled;
                canceled.push(*number);
            }
        }
        for number in canceled {
            // Without receivers nobody reads them.
            let _ = self.changes.send(number);
        }
        drop(table);
        self.version.send_modify(|version| *version += 1);
    }

    /// Returns a record.
    pub(crate) fn get(&self, number: u64) -> Option<PushRecord> {
        self.table().records.get(&number).cloned()
    }

    /// Returns the messages of a record.
    pub(crate) fn messages_of(&self, number: u64) -> Vec<MessageId> {
        let table = self.table();
        let is_of = |(message, of): (&MessageId, &u64)| (*of == number).then_some(*message);
        table.by_message.iter().filter_map(is_of).collect()
    }

    /// Returns records after a number, oldest first.
    pub(crate) fn find(
        &self,
        after: u64,
        limit: usize,
        matches: impl Fn(&PushRecord) -> bool,
    ) -> Vec<PushRecord> {
        let table = self.table();
        let later = table.records.range(after.saturating_add(1)..).map(|(_, record)| record);
        later.filter(|record| matches(record)).take(limit).cloned().collect()
    }

    /// Forgets the records of a scope.
    pub(crate) fn clear(&self, scope: &NamespaceScope) {
        self.table().retain(|record| !scope.includes(&record.namespace));
        self.version.send_modify(|version| *version += 1);
    }

    /// Returns a receiver that is notified of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Returns a receiver of the numbers of changed records.
    pub(crate) fn changes(&self) -> broadcast::Receiver<u64> {
        self.changes.subscribe()
    }

    fn happened(&self, message: MessageId, event: Event) {
        let mut table = self.table();
        match table.by_message.get(&message).copied() {
            Some(number) => {
                table.apply(number, message, event);
                self.announce(table, number);
            }
            None => table.early.add(message, event),
        }
    }

    fn announce(&self, table: MutexGuard<'_, Table>, number: u64) {
        // Without receivers nobody reads it.
        let _ = self.changes.send(number);
        drop(table);
        self.version.send_modify(|version| *version += 1);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn link(&mut self, number: u64, messages: &[MessageId]) {
        for message in messages {
            self.by_message.insert(*message, number);
            for event in self.early.take(*message) {
                self.apply(number, *message, event);
            }
        }
    }

    fn apply(&mut self, number: u64, message: MessageId, event: Event) {
        let Some(record) = self.records.get_mut(&number) else { return };
        let (state, at) = match event {
            Event::Ended(state, at) => (state, at),
            Event::Acknowledged(what, at) => {
                record.acknowledged = Some(what);
                (State::Delivered, at)
            }
        };
        if state == State::Delivered && !record.delivered_messages.contains(&message) {
            record.delivered_messages.push(message);
            record.deliveries = record.delivered_messages.len();
        }
        if record.state == State::Accepted {
            record.state = state;
            record.delivered = (state == State::Delivered).then_some(at);
        }
    }

    fn shrink(&mut self) {
        while self.records.len() > MAX_RECORDS || self.body_bytes > MAX_BODY_BYTES {
            let Some((number, record)) = self.records.pop_first() else { return };
            self.body_bytes -= record.content.body.len();
            self.by_message.retain(|_, of| *of != number);
        }
    }

    fn retain(&mut self, keep: impl Fn(&PushRecord) -> bool) {
        self.records.retain(|_, record| keep(record));
        self.body_bytes = self.records.values().map(|record| record.content.body.len()).sum();
        let records = &self.records;
        self.by_message.retain(|_, number| records.contains_key(number));
    }
}

impl Early {
    fn add(&mut self, message: MessageId, event: Event) {
        let events = self.events.entry(message).or_default();
        if events.is_empty() {
            self.order.push_back(message);
        }
        events.push(event);
        while self.order.len() > MAX_EARLY {
            if let Some(oldest) = self.order.pop_front() {
                self.events.remove(&oldest);
            }
        }
    }

    fn take(&mut self, message: MessageId) -> Vec<Event> {
        let events = self.events.remove(&message).unwrap_or_default();
        if !events.is_empty() {
            self.order.retain(|one| *one != message);
        }
        events
    }
}

#[cfg(test)]
mod tests;
