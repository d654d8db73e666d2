//! The events of a trace, in the syntax of the model, and the observer that records commits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use webpush_core::id::{EntryRef, InboxId, MessageId};
use webpush_core::inbox::Entry;
use webpush_core::message::{Draft, Message, Outcome};
use webpush_core::receipt::Receipt;
use webpush_core::time::Timestamp;
use webpush_store::{Applied, CommitEvent, CommitObserver, Durability, Notice, Op, SettleResult};

/// The inbox of the agent.
pub(crate) const AGENT: InboxId = InboxId::from_bytes([1; 16]);
/// The inbox of the receipts of its sender.
pub(crate) const SENDER: InboxId = InboxId::from_bytes([9; 16]);

/// Records a trace. Clones record the same one.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<Trace>>);

struct Trace {
    start: Timestamp,
    events: Vec<String>,
    /// The entries that are stored according to the events so far.
    stored: BTreeMap<Key, StoredEntry>,
}

/// Inbox and position, as the model numbers them.
type Key = (u8, u64);

#[derive(Clone, Copy)]
struct StoredEntry {
    has_topic: bool,
    owes_receipt: bool,
    expires: Timestamp,
}

impl Recorder {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Trace { start, events: Vec::new(), stored: BTreeMap::new() })))
    }

    pub(crate) fn record(&self, event: impl Into<String>) {
        self.trace().events.push(event.into());
    }

    pub(crate) fn advance(&self, now: Timestamp) {
        let mut trace = self.trace();
        let now = trace.millis(now);
        trace.events.push(format!("Advance({now})"));
    }

    /// Records the restart of the machine with the entries that its store then has.
    ///
    /// `attempts` were submitted before, and not confirmed: those of which the entries show traces were applied.
    pub(crate) fn restart(&self, attempts: &[Op], entries: &[Entry], now: Timestamp) {
        let mut trace = self.trace();
        attempts.iter().for_each(|op| trace.attempted(op, entries, now));
        let keys: Vec<String> = entries.iter().map(|entry| key_text(key(&entry.entry_ref()))).collect();
        trace.events.push(format!("Restart(Set({}))", keys.join(", ")));
        let found: Vec<Key> = entries.iter().map(|entry| key(&entry.entry_ref())).collect();
        trace.stored =
            entries.iter().map(|entry| (key(&entry.entry_ref()), StoredEntry::from(entry))).collect();
        assert_eq!(trace.stored.len(), found.len(), "an entry is there once");
    }

    pub(crate) fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut self.trace().events)
    }

    fn trace(&self) -> MutexGuard<'_, Trace> {
        self.0.lock().unwrap()
    }
}

impl Trace {
    fn millis(&self, time: Timestamp) -> u64 {
        time.as_millis() - self.start.as_millis()
    }

    fn publish(&mut self, node: usize, message: &Message, replaced: i64) {
        let Message { position, draft, .. } = message;
        let event = format!(
            "Publish({{ node: {node}, position: {}, topic: {}, expires: {}, owesReceipt: {}, replaced: {replaced} }})",
            position.get(),
            u8::from(draft.topic.is_some()),
            self.millis(draft.expires),
            draft.receipt.is_some(),
        );
        self.events.push(event);
        self.stored.insert(key(&message.entry_ref()), StoredEntry::from(&**message));
    }

    fn end(&mut self, node: usize, entry: &EntryRef, outcome: Outcome, is_durable: bool, receipt: u64) {
        let (inbox, position) = key(entry);
        self.stored.remove(&(inbox, position));
        self.events.push(match outcome {
            Outcome::Delivered => format!(
                "Settle({{ node: {node}, inbox: {inbox}, position: {position}, isDurable: {is_durable}, receipt: {receipt} }})"
            ),
            Outcome::Expired => {
                format!("Expire({{ node: {node}, position: {position}, receipt: {receipt} }})")
            }
            other => panic!("the model has no {other:?}"),
        });
        if receipt > 0 {
            self.stored.insert((0, receipt), StoredEntry::RECEIPT);
        }
    }

    /// Records an operation with an unknown outcome if it was applied.
    fn attempted(&mut self, op: &Op, entries: &[Entry], now: Timestamp) {
        let receipt = |message: MessageId| {
            entries.iter().find_map(|entry| match entry {
                Entry::Receipt(receipt) if receipt.about.message == message => Some(*receipt),
                Entry::Receipt(_) | Entry::Message(_) => None,
            })
        };
        match op {
            Op::Append(draft) => {
                let found = entries
                    .iter()
                    .map(Entry::entry_ref)
                    .find(|entry| entry.inbox == AGENT && entry.message == draft.id);
                let found = found.or_else(|| receipt(draft.id).map(|receipt| receipt.about));
                if let Some(entry) = found {
                    self.replace_topic(draft, now);
                    self.publish(0, &draft.clone().into_message(entry.position), -1);
                }
            }
            Op::Settle(entry, outcome) => {
                let is_there = entries.iter().any(|other| other.entry_ref() == *entry);
                let stored = self.stored.get(&key(entry)).copied().filter(|_| !is_there);
                if let Some(stored) = stored {
                    let next =
                        self.stored.keys().filter(|(inbox, _)| *inbox == 0).map(|(_, at)| at + 1).max();
                    let position = receipt(entry.message).map(|receipt| receipt.position.get()).or(next);
                    let receipt = if stored.owes_receipt { position.unwrap_or(1) } else { 0 };
                    self.end(0, entry, *outcome, stored.owes_receipt, receipt);
                }
            }
            other => panic!("the model has no {other:?}"),
        }
    }

    /// Forgets the message that a new one has replaced.
    fn replace_topic(&mut self, new: &Draft, now: Timestamp) {
        if new.topic.is_some() {
            self.stored.retain(|_, old| !old.has_topic || old.expires <= now);
        }
    }
}

impl StoredEntry {
    const RECEIPT: Self = Self { has_topic: false, owes_receipt: false, expires: Timestamp::NEVER };
}

impl From<&Draft> for StoredEntry {
    fn from(draft: &Draft) -> Self {
        let (has_topic, owes_receipt) = (draft.topic.is_some(), draft.receipt.is_some());
        Self { has_topic, owes_receipt, expires: draft.expires }
    }
}

impl From<&Entry> for StoredEntry {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Message(message) => Self::from(&***message),
            Entry::Receipt(_) => Self::RECEIPT,
        }
    }
}

pub(crate) fn key(entry: &EntryRef) -> Key {
    (u8::from(entry.inbox == AGENT), entry.position.get())
}

pub(crate) fn key_text((inbox, position): Key) -> String {
    format!("{{ inbox: {inbox}, position: {position} }}")
}

/// Records the commits of a node, and the notices that it gets.
pub(crate) struct Observer {
    pub(crate) recorder: Recorder,
    pub(crate) node: usize,
}

impl CommitObserver for Observer {
    fn committed(&self, event: &CommitEvent<'_>) {
        let is_durable = event.durability == Durability::Durable;
        let mut trace = self.recorder.trace();
        for change in event.applied {
            match change {
                Applied::Appended(appended) => {
                    assert!(appended.dropped.is_empty(), "the model has no quota");
                    let replaced = appended.replaced.map_or(0, |old| key(&old).1);
                    if let Some(old) = appended.replaced {
                        trace.stored.remove(&key(&old));
                    }
                    trace.publish(self.node, &appended.message, i64::try_from(replaced).unwrap());
                }
                Applied::Settled(SettleResult { entry, outcome, receipt, .. }) => {
                    let receipt = receipt.map_or(0, |Receipt { position, .. }| position.get());
                    trace.end(self.node, entry, *outcome, is_durable, receipt);
                }
                Applied::Created | Applied::Missing => {}
                other => panic!("the model has no {other:?}"),
            }
        }
        if is_durable {
            trace.events.push("Sync".to_owned());
        }
    }

    fn failed(&self) {}

    fn missed(&self) {}

    fn noticed(&self, notice: &Notice) {
        let node = self.node;
        self.recorder.record(match notice {
            // No session here is old enough to take the message from it.
            Notice::Stored(_) | Notice::StoredMessage(_) => {
                format!("Hear({{ node: {node}, inbox: {} }})", u8::from(notice.inbox() == AGENT))
            }
            Notice::Superseded(..) => format!("HearOpening({node})"),
            other => panic!("the model has no {other:?}"),
        });
    }
}
