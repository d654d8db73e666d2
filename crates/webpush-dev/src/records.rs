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
/// Maximum bytes of all records.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of the records after which a list ends.
const LIST_BYTES: usize = 8 * 1024 * 1024;
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
    /// Messages with TTL 0 that may still be delivered. No commit says how they end.
    offered: Vec<MessageId>,
    early: Early,
    last: u64,
    bytes: usize,
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
        table.bytes += record.weight();
        table.records.insert(number, record);
        table.shrink();
        table.link(number, messages);
        self.announce(table, number);
        number
    }

    /// Sets the messages of a push that was held back, or that it was refused then.
    pub(crate) fn finish(&self, number: u64, refusal: Option<String>, messages: &[MessageId]) {
        let mut table = self.table();
        if let (Some(refusal), Some(record)) = (refusal, table.records.get_mut(&number)) {
            (record.problem, record.state) = (Some(refusal), State::Refused);
        }
        table.link(number, messages);
        self.announce(table, number);
    }

    /// Records that a push that was held back has expired.
    pub(crate) fn expire(&self, number: u64) {
        let mut table = self.table();
        if let Some(record) = table.records.get_mut(&number) {
            record.state = State::Expired;
        }
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

    /// Returns the messages with TTL 0 that may still be delivered.
    pub(crate) fn offered(&self) -> Vec<MessageId> {
        let mut table = self.table();
        let Table { records, by_message, offered, .. } = &mut *table;
        let is_open = |message: &MessageId| {
            let record = by_message.get(message).and_then(|number| records.get(number));
            record.is_some_and(|record| record.messages.contains(&(*message, None)))
        };
        offered.retain(is_open);
        offered.clone()
    }

    /// Returns records after a number, oldest first, up to a limit and a size.
    pub(crate) fn find(
        &self,
        after: u64,
        limit: usize,
        matches: impl Fn(&PushRecord) -> bool,
    ) -> Vec<PushRecord> {
        let table = self.table();
        let later = table.records.range(after.saturating_add(1)..).map(|(_, record)| record);
        let mut bytes = 0;
        let fits = |record: &&PushRecord| {
            let fits = bytes < LIST_BYTES;
            bytes += record.weight();
            fits
        };
        later.filter(|record| matches(record)).take(limit).take_while(fits).cloned().collect()
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
            Some(number) if table.apply(number, message, event) => self.announce(table, number),
            Some(_) => {}
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
        let Some(record) = self.records.get_mut(&number) else { return };
        record.messages.extend(messages.iter().map(|message| (*message, None)));
        if record.request.is_offered() {
            self.offered.extend(messages);
        }
        for message in messages {
            self.by_message.insert(*message, number);
            for event in self.early.take(*message) {
                self.apply(number, *message, event);
            }
        }
    }

    /// Returns true if the event has changed the record.
    fn apply(&mut self, number: u64, message: MessageId, event: Event) -> bool {
        let Some(record) = self.records.get_mut(&number) else { return false };
        match event {
            Event::Ended(state, at) => record.end(message, state, at),
            Event::Acknowledged(what, at) => {
                record.acknowledged = Some(what);
                record.end(message, State::Delivered, at);
                true
            }
        }
    }

    fn shrink(&mut self) {
        while self.records.len() > MAX_RECORDS || self.bytes > MAX_BYTES {
            let Some((_, record)) = self.records.pop_first() else { return };
            self.forget(&record);
        }
    }

    fn retain(&mut self, keep: impl Fn(&PushRecord) -> bool) {
        let (kept, forgotten) =
            std::mem::take(&mut self.records).into_iter().partition(|(_, record)| keep(record));
        self.records = kept;
        for record in BTreeMap::into_values(forgotten) {
            self.forget(&record);
        }
    }

    fn forget(&mut self, record: &PushRecord) {
        self.bytes = self.bytes.saturating_sub(record.weight());
        for (message, _) in &record.messages {
            self.by_message.remove(message);
        }
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
