//! Message traces: the stages that recent messages have reached, and when.
//!
//! | to find | look in |
//! |---|---|
//! | the table of traces | `table.rs` |
//! | the state of a message, and the reason for it | [`state`] |
//! | the slowest agents | [`slowest`] |
//!
//! Newer messages replace the oldest. Traces hold IDs, but no payloads or headers, and allocate nothing per message.

pub mod slowest;
pub mod state;
mod table;

pub use table::{STAGES, Stage, Trace};

use crate::system;
use std::sync::OnceLock;
use std::time::Duration;
use table::TraceTable;
use webpush_core::env::{Env, MonotonicTime};
use webpush_core::id::MessageId;
use webpush_core::message::Outcome;
use webpush_core::message::{Draft, Message};
use webpush_core::subscription::ProtocolKind;

/// Size of the trace buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceConfig {
    /// How long a trace is kept; zero disables traces.
    pub keep: Duration,
    /// Maximum number of messages.
    pub messages: usize,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { keep: Duration::from_secs(300), messages: 16_384 }
    }
}

/// The traces of recent messages.
pub struct Traces {
    config: TraceConfig,
    /// Allocated for the first message.
    table: OnceLock<TraceTable>,
    env: Env,
    started: MonotonicTime,
}

impl Traces {
    /// Creates an empty buffer.
    #[must_use]
    pub fn new(config: TraceConfig, env: Env) -> Self {
        let started = env.monotonic();
        Self { config, table: OnceLock::new(), env, started }
    }

    /// Creates a buffer that keeps nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(TraceConfig { keep: Duration::ZERO, messages: 0 }, system::env())
    }

    /// Returns how long a trace is kept, or `None` if traces are disabled.
    #[must_use]
    pub const fn keep(&self) -> Option<Duration> {
        let TraceConfig { keep, messages } = self.config;
        if keep.is_zero() || messages == 0 { None } else { Some(keep) }
    }

    /// Begins the trace of an accepted message.
    pub fn begin(&self, message: &Draft, protocol: ProtocolKind) {
        if self.keep().is_some() {
            let table = self.table.get_or_init(|| TraceTable::new(self.config.messages));
            table.insert(message, protocol, self.now());
        }
    }

    /// Records that a message was stored, and its position.
    pub fn record_stored(&self, message: &Message) {
        if let Some(table) = self.table.get() {
            table.record_stored(message, self.now());
        }
    }

    /// Records that a message reached a stage.
    pub fn record(&self, message: MessageId, stage: Stage) {
        if let Some(table) = self.table.get() {
            table.record(message, stage, self.now());
        }
    }

    /// Records the outcome of a message.
    pub fn record_end(&self, message: MessageId, outcome: Outcome) {
        if let Some(table) = self.table.get() {
            table.record_end(message, outcome, self.now());
        }
    }

    /// Records the code of an agent's negative acknowledgement.
    pub fn record_nack(&self, message: MessageId, code: u16) {
        if let Some(table) = self.table.get() {
            table.record_nack(message, code);
        }
    }

    /// Returns the trace of a message, unless it has expired or was replaced.
    #[must_use]
    pub fn find(&self, message: MessageId) -> Option<Trace> {
        self.table.get()?.find(message).filter(|trace| self.is_current(trace))
    }

    /// Iterates over all traces, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Trace> {
        self.table.get().into_iter().flat_map(TraceTable::iter).filter(|trace| self.is_current(trace))
    }

    /// Returns the current time on the clock of [`Trace::at`].
    #[must_use]
    pub fn now(&self) -> Duration {
        self.env.monotonic().since(self.started)
    }

    fn is_current(&self, trace: &Trace) -> bool {
        self.now().saturating_sub(trace.accepted()) <= self.config.keep
    }
}

#[cfg(test)]
mod tests;
