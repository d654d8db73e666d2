//! What is kept of each message: one row of numbers that any thread may write without waiting.
//!
//! A message belongs to one set of rows, by bits of its id, and takes the place of the oldest message there. Each stamp of
//! a row carries a mark of its message, so what comes late for a message that has gone is told from what belongs to the one
//! that has its place now.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::time::Duration;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position};
use webpush_core::message::Outcome;
use webpush_core::message::{Draft, Message};
use webpush_core::subscription::{Protocol, ProtocolKind};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;

/// Rows of a set: their keys are one line of a processor's cache.
const WAYS: usize = 8;
/// In this part of a number is what it says; above is the mark of its message.
const SAID_BITS: u32 = 48;
const SAID: u64 = (1 << SAID_BITS) - 1;

/// Where a message may be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request was judged, and the message is one.
    Accepted,
    /// It is on disk, and the store's thread says so.
    Stored,
    /// A session of its agent was told of it.
    Woken,
    /// It was handed to the agent's connection.
    Written,
    /// The agent said that it has it.
    Acknowledged,
    /// It is not kept any more: the outcome says why.
    Ended,
}

/// All of them, in order.
pub const STAGES: [Stage; 6] =
    [Stage::Accepted, Stage::Stored, Stage::Woken, Stage::Written, Stage::Acknowledged, Stage::Ended];

impl Stage {
    /// Its name in what is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Stored => "stored",
            Self::Woken => "woken",
            Self::Written => "written",
            Self::Acknowledged => "acknowledged",
            Self::Ended => "ended",
        }
    }
}

/// What is known of one message.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// Which one it is. Its position is that of a message that was never stored, until it is.
    pub entry: EntryRef,
    /// The protocol of its subscription.
    pub protocol: ProtocolKind,
    /// When it was accepted, by the clock.
    pub accepted_at: Timestamp,
    /// How much it matters.
    pub urgency: Urgency,
    /// Its TTL is 0.
    pub is_now_or_never: bool,
    /// When it came to each stage, since the service began.
    times: [Option<Duration>; STAGES.len()],
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What its agent said when it could not use it.
    pub code: Option<u16>,
    /// How often it was handed to a connection, as far as that can be counted.
    pub written: u8,
}

impl Trace {
    /// When it was accepted.
    #[must_use]
    pub fn accepted(&self) -> Duration {
        self.at(Stage::Accepted).unwrap_or_default()
    }

    /// When it came to a stage, if it did.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Option<Duration> {
        self.times[stage as usize]
    }
}

/// All rows.
pub(super) struct Table(Box<[Set]>);

#[derive(Default)]
struct Set {
    keys: [AtomicU64; WAYS],
    /// Counts claims: the next one takes the oldest row.
    claims: AtomicUsize,
    rows: [Row; WAYS],
}

#[derive(Default)]
struct Row {
    agent: [AtomicU64; 2],
    rest_of_id: AtomicU64,
    position: AtomicU64,
    accepted: AtomicU64,
    times: [AtomicU64; STAGES.len()],
    note: AtomicU64,
}

/// The parts of an id that find its row.
#[derive(Clone, Copy)]
struct Mark {
    key: u64,
    rest: u64,
}

impl Mark {
    fn of(message: MessageId) -> Self {
        let [key, rest] = halves(message.as_bytes());
        Self { key, rest }
    }

    /// A number of a row that says this.
    const fn says(self, what: u64) -> u64 {
        self.rest >> SAID_BITS << SAID_BITS | if what > SAID { SAID } else { what }
    }

    /// What a number of a row says of this message, if it is of this one.
    fn said(self, number: u64) -> Option<u64> {
        (number >> SAID_BITS == self.rest >> SAID_BITS).then_some(number & SAID).filter(|said| *said != 0)
    }
}

/// What else is noted of a message, in the bits of one number, each field from its shift on.
mod note {
    pub(super) const THERE: u64 = 1;
    pub(super) const PROTOCOL: u32 = 1;
    pub(super) const URGENCY: u32 = 3;
    pub(super) const NOW_OR_NEVER: u32 = 5;
    pub(super) const OUTCOME: u32 = 8;
    pub(super) const CODE: u32 = 16;
    pub(super) const WRITTEN: u32 = 32;

    pub(super) const fn field(note: u64, shift: u32, bits: u32) -> u64 {
        note >> shift & ((1 << bits) - 1)
    }
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Delivered, Outcome::Expired, Outcome::Replaced, Outcome::Cancelled, Outcome::Dropped];
/// It is not counted further.
const MOST_WRITTEN: u64 = 0xff;

impl Table {
    /// With room for so many messages, or a few more.
    pub(super) fn new(messages: usize) -> Self {
        Self((0..messages.div_ceil(WAYS)).map(|_| Set::default()).collect())
    }

    pub(super) fn claim(&self, message: &Draft, protocol: Protocol, now: Duration) {
        let mark = Mark::of(message.id);
        let set = self.set(mark);
        let way = set.claims.fetch_add(1, Ordering::Relaxed) % WAYS;
        let row = &set.rows[way];
        // Whoever reads finds the row of neither message meanwhile.
        set.keys[way].store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        for (part, half) in row.agent.iter().zip(halves(message.agent.as_bytes())) {
            part.store(half, Ordering::Relaxed);
        }
        row.rest_of_id.store(mark.rest, Ordering::Relaxed);
        row.position.store(Position::START.get(), Ordering::Relaxed);
        row.accepted.store(message.accepted.as_millis(), Ordering::Relaxed);
        for time in &row.times[1..] {
            time.store(0, Ordering::Relaxed);
        }
        row.times[0].store(mark.says(micros(now)), Ordering::Relaxed);
        let note = note::THERE
            | (protocol.kind() as u64) << note::PROTOCOL
            | (message.urgency as u64) << note::URGENCY
            | u64::from(message.is_now_or_never()) << note::NOW_OR_NEVER;
        row.note.store(mark.says(note), Ordering::Relaxed);
        set.keys[way].store(mark.key, Ordering::Release);
    }

    pub(super) fn stored(&self, message: &Message, now: Duration) {
        let mark = Mark::of(message.id);
        if let Some(row) = self.row(mark) {
            row.position.store(message.position.get(), Ordering::Relaxed);
            row.stamp(mark, Stage::Stored, now);
        }
    }

    /// The first time counts: what comes again was there before.
    pub(super) fn reached(&self, message: MessageId, stage: Stage, now: Duration) {
        let mark = Mark::of(message);
        if let Some(row) = self.row(mark) {
            row.stamp(mark, stage, now);
            if stage == Stage::Written {
                row.annotate(mark, |note| match note::field(note, note::WRITTEN, 8) {
                    MOST_WRITTEN => note,
                    _ => note + (1 << note::WRITTEN),
                });
            }
        }
    }

    pub(super) fn ended(&self, message: MessageId, outcome: Outcome, now: Duration) {
        let mark = Mark::of(message);
        if let Some(row) = self.row(mark) {
            row.stamp(mark, Stage::Ended, now);
            row.annotate(mark, |note| match note::field(note, note::OUTCOME, 8) {
                0 => note | (outcome as u64 + 1) << note::OUTCOME,
                _ => note,
            });
        }
    }

    pub(super) fn complained(&self, message: MessageId, code: u16) {
        let mark = Mark::of(message);
        if let Some(row) = self.row(mark) {
            row.annotate(mark, |note| note & !(0xffff << note::CODE) | u64::from(code) << note::CODE);
        }
    }

    pub(super) fn find(&self, message: MessageId) -> Option<Trace> {
        let set = self.set(Mark::of(message));
        (0..WAYS).filter_map(|way| set.read(way)).find(|trace| trace.entry.message == message)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Trace> {
        self.0.iter().flat_map(|set| (0..WAYS).filter_map(|way| set.read(way)))
    }

    fn set(&self, mark: Mark) -> &Set {
        // The low bits of the second half: those above say which message a number is of.
        let at = usize::try_from(mark.rest & u64::from(u32::MAX)).unwrap_or_default();
        &self.0[at % self.0.len()]
    }

    fn row(&self, mark: Mark) -> Option<&Row> {
        let set = self.set(mark);
        let way = set.keys.iter().position(|key| key.load(Ordering::Acquire) == mark.key)?;
        Some(&set.rows[way])
    }
}

impl Set {
    /// A row as it is, unless another message takes it just now.
    fn read(&self, way: usize) -> Option<Trace> {
        let (key, row) = (self.keys[way].load(Ordering::Acquire), &self.rows[way]);
        if key == 0 {
            return None;
        }
        let load = |number: &AtomicU64| number.load(Ordering::Acquire);
        let mark = Mark { key, rest: load(&row.rest_of_id) };
        let agent = [load(&row.agent[0]), load(&row.agent[1])];
        let position = Position::new(load(&row.position));
        let accepted_at = Timestamp::from_millis(load(&row.accepted));
        let times: [_; STAGES.len()] =
            std::array::from_fn(|stage| mark.said(load(&row.times[stage])).map(Duration::from_micros));
        let note = mark.said(load(&row.note))?;
        times[0]?;
        if self.keys[way].load(Ordering::Acquire) != key {
            return None;
        }
        let field = |shift, bits| usize::try_from(note::field(note, shift, bits)).unwrap_or_default();
        let message = MessageId::from_bytes(joined([key, mark.rest]));
        Some(Trace {
            entry: EntryRef { inbox: InboxId::from_bytes(joined(agent)), position, message },
            protocol: *ProtocolKind::ALL.get(field(note::PROTOCOL, 2))?,
            accepted_at,
            urgency: Urgency::ALL[field(note::URGENCY, 2)],
            is_now_or_never: field(note::NOW_OR_NEVER, 1) == 1,
            times,
            outcome: field(note::OUTCOME, 8).checked_sub(1).and_then(|at| OUTCOMES.get(at).copied()),
            code: u16::try_from(field(note::CODE, 16)).ok().filter(|code| *code != 0),
            written: u8::try_from(field(note::WRITTEN, 8)).unwrap_or(u8::MAX),
        })
    }
}

impl Row {
    fn stamp(&self, mark: Mark, stage: Stage, now: Duration) {
        let time = &self.times[stage as usize];
        if mark.said(time.load(Ordering::Relaxed)).is_none() {
            time.store(mark.says(micros(now)), Ordering::Release);
        }
    }

    fn annotate(&self, mark: Mark, change: impl Fn(u64) -> u64) {
        // A note that is not of this message any more stays as it is.
        let _ = self.note.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
            mark.said(number).map(|note| mark.says(change(note)))
        });
    }
}

/// Never zero, which is no time.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(SAID).max(1)
}

fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let whole = u128::from_be_bytes(*bytes);
    [(whole >> 64) as u64, whole as u64]
}

fn joined([high, low]: [u64; 2]) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}
