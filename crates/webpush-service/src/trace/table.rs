//! A bounded table of traces: one row per message, in sets of eight rows with a lock each.
//!
//! Bits of a message's ID determine its set, where it replaces the oldest message.

use crate::threads::sync::{Mutex, MutexGuard, PoisonError};
use std::num::NonZeroU64;
use std::time::Duration;
use webpush_core::id::{EntryRef, MessageId, Position};
use webpush_core::message::{Draft, Message, Outcome};
use webpush_core::subscription::ProtocolKind;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;

/// Number of rows in a set.
const WAYS: usize = 8;

/// A stage of a message, from request to acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request was validated.
    Accepted,
    /// The message was written to disk.
    Stored,
    /// A message with TTL 0 was offered to the other nodes of a cluster.
    Offered,
    /// A session of its agent was notified.
    Notified,
    /// It was written to the agent's connection.
    Written,
    /// The agent acknowledged it.
    Acknowledged,
    /// It is no longer stored; the outcome says why.
    Ended,
}

/// All stages, in order.
pub const STAGES: [Stage; 7] = [
    Stage::Accepted,
    Stage::Stored,
    Stage::Offered,
    Stage::Notified,
    Stage::Written,
    Stage::Acknowledged,
    Stage::Ended,
];

impl Stage {
    /// Returns the name that is shown to operators.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Stored => "stored",
            Self::Offered => "offered",
            Self::Notified => "notified",
            Self::Written => "written",
            Self::Acknowledged => "acknowledged",
            Self::Ended => "ended",
        }
    }
}

/// The trace of one message.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// The message. The position is [`Position::START`] until it is stored.
    pub entry: EntryRef,
    /// The protocol of its subscription.
    pub protocol: ProtocolKind,
    /// Wall-clock time of its acceptance.
    pub accepted_at: Timestamp,
    /// The urgency that its sender requested.
    pub urgency: Urgency,
    /// True if its TTL is 0.
    pub is_now_or_never: bool,
    /// When it reached each stage, since the service started.
    times: [Option<Duration>; STAGES.len()],
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The code of its agent's negative acknowledgement.
    pub code: Option<u16>,
    /// Number of times it was written to a connection, up to 255.
    pub written: u8,
}

impl Trace {
    /// Returns when it was accepted.
    #[must_use]
    pub fn accepted(&self) -> Duration {
        self.at(Stage::Accepted).unwrap_or_default()
    }

    /// Returns when it reached a stage, or `None` if it has not.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Option<Duration> {
        self.times[stage as usize]
    }
}

pub(super) struct TraceTable(Box<[Mutex<Set>]>);

#[derive(Default)]
struct Set {
    rows: [Option<Row>; WAYS],
    /// The oldest row, which the next message replaces.
    next: usize,
}

/// A trace in compact form: about 100 bytes.
struct Row {
    entry: EntryRef,
    accepted_at: Timestamp,
    /// Time of each stage, in microseconds since the service started.
    times: [Option<NonZeroU64>; STAGES.len()],
    protocol: ProtocolKind,
    urgency: Urgency,
    is_now_or_never: bool,
    outcome: Option<Outcome>,
    code: Option<u16>,
    written: u8,
}

impl TraceTable {
    /// Creates an empty table for `messages`, rounded up to whole sets.
    pub(super) fn new(messages: usize) -> Self {
        Self((0..messages.div_ceil(WAYS)).map(|_| Mutex::default()).collect())
    }

    /// Begins a trace, which replaces the oldest one of its set.
    pub(super) fn insert(&self, message: &Draft, protocol: ProtocolKind, now: Duration) {
        let entry = EntryRef { inbox: message.agent, position: Position::START, message: message.id };
        let mut row = Row {
            entry,
            accepted_at: message.accepted,
            times: [None; STAGES.len()],
            protocol,
            urgency: message.urgency,
            is_now_or_never: message.is_now_or_never(),
            outcome: None,
            code: None,
            written: 0,
        };
        row.stamp(Stage::Accepted, now);
        let mut set = self.set(message.id);
        let next = set.next;
        set.rows[next] = Some(row);
        set.next = (next + 1) % WAYS;
    }

    pub(super) fn record_stored(&self, message: &Message, now: Duration) {
        self.change(message.id, |row| {
            row.entry.position = message.position;
            row.stamp(Stage::Stored, now);
        });
    }

    pub(super) fn record(&self, message: MessageId, stage: Stage, now: Duration) {
        self.change(message, |row| {
            row.stamp(stage, now);
            if stage == Stage::Written {
                row.written = row.written.saturating_add(1);
            }
        });
    }

    /// Records the end of a message. Only the first outcome counts.
    pub(super) fn record_end(&self, message: MessageId, outcome: Outcome, now: Duration) {
        self.change(message, |row| {
            row.stamp(Stage::Ended, now);
            row.outcome.get_or_insert(outcome);
        });
    }

    pub(super) fn record_nack(&self, message: MessageId, code: u16) {
        self.change(message, |row| row.code = Some(code));
    }

    pub(super) fn find(&self, message: MessageId) -> Option<Trace> {
        self.set(message).row(message).map(|row| row.trace())
    }

    /// Iterates over all traces. Each set is copied when the iterator reaches it.
    pub(super) fn iter(&self) -> impl Iterator<Item = Trace> {
        self.0.iter().flat_map(|set| {
            let set = lock(set);
            let traces: [Option<Trace>; WAYS] =
                std::array::from_fn(|way| set.rows[way].as_ref().map(Row::trace));
            traces.into_iter().flatten()
        })
    }

    fn change(&self, message: MessageId, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.set(message).row(message) {
            change(row);
        }
    }

    fn set(&self, message: MessageId) -> MutexGuard<'_, Set> {
        let [.., a, b, c, d] = *message.as_bytes();
        let hash = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default();
        lock(&self.0[hash % self.0.len()])
    }
}

impl Set {
    fn row(&mut self, message: MessageId) -> Option<&mut Row> {
        self.rows.iter_mut().flatten().find(|row| row.entry.message == message)
    }
}

impl Row {
    /// Records the time of a stage. Only the first time counts.
    fn stamp(&mut self, stage: Stage, now: Duration) {
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX).max(1);
        let time = &mut self.times[stage as usize];
        *time = time.or(NonZeroU64::new(micros));
    }

    fn trace(&self) -> Trace {
        Trace {
            entry: self.entry,
            protocol: self.protocol,
            accepted_at: self.accepted_at,
            urgency: self.urgency,
            is_now_or_never: self.is_now_or_never,
            times: self.times.map(|time| time.map(|micros| Duration::from_micros(micros.get()))),
            outcome: self.outcome,
            code: self.code,
            written: self.written,
        }
    }
}

/// Ignores poisoning: a panic while a set is locked leaves whole rows.
fn lock(set: &Mutex<Set>) -> MutexGuard<'_, Set> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}
