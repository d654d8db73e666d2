//! The way of each message that was accepted lately: which stage it reached and when, with ids only.
//!
//! | to find | look in |
//! |---|---|
//! | what is kept of a message, and how | `table.rs` |
//! | why it goes no further | [`state`] |
//! | which agents are slow | [`slowest`] |
//!
//! A stage is stamped where it happens, in a row that is there already: nothing is allocated for a message. Newer messages
//! replace the oldest.

pub mod slowest;
pub mod state;
mod table;

pub use table::{STAGES, Stage, Trace};

use crate::system;
use std::sync::OnceLock;
use std::time::Duration;
use table::Table;
use webpush_core::env::{Env, MonotonicTime};
use webpush_core::id::MessageId;
use webpush_core::message::Outcome;
use webpush_core::message::{Draft, Message};
use webpush_core::subscription::Protocol;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceConfig {
    /// For how long a message can be looked up; nothing is kept at zero.
    pub keep: Duration,
    /// Of so many messages.
    pub messages: usize,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { keep: Duration::from_secs(300), messages: 16_384 }
    }
}

/// What is known of the messages that were accepted lately.
pub struct Traces {
    settings: TraceConfig,
    /// Made for the first message.
    table: OnceLock<Table>,
    env: Env,
    began: MonotonicTime,
}

impl Traces {
    /// Empty.
    #[must_use]
    pub fn new(settings: TraceConfig, env: Env) -> Self {
        let began = env.monotonic();
        Self { settings, table: OnceLock::new(), env, began }
    }

    /// Nothing is ever kept.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(TraceConfig { keep: Duration::ZERO, messages: 0 }, system::env())
    }

    /// For how long a message can be looked up, if at all.
    #[must_use]
    pub const fn keep(&self) -> Option<Duration> {
        let TraceConfig { keep, messages } = self.settings;
        if keep.is_zero() || messages == 0 { None } else { Some(keep) }
    }

    /// A message was accepted, for a subscription of that protocol.
    pub fn begin(&self, message: &Draft, protocol: Protocol) {
        if self.keep().is_some() {
            let table = self.table.get_or_init(|| Table::new(self.settings.messages));
            table.insert(message, protocol, self.now());
        }
    }

    /// A message was stored, under its position.
    pub fn record_stored(&self, message: &Message) {
        if let Some(table) = self.table.get() {
            table.record_stored(message, self.now());
        }
    }

    /// A message has come to a stage.
    pub fn record(&self, message: MessageId, stage: Stage) {
        if let Some(table) = self.table.get() {
            table.record(message, stage, self.now());
        }
    }

    /// A message has ended.
    pub fn record_end(&self, message: MessageId, outcome: Outcome) {
        if let Some(table) = self.table.get() {
            table.record_end(message, outcome, self.now());
        }
    }

    /// An agent said of a message that it could not use it, with a code.
    pub fn record_nack(&self, message: MessageId, code: u16) {
        if let Some(table) = self.table.get() {
            table.record_nack(message, code);
        }
    }

    /// What is known of a message, if that is kept.
    #[must_use]
    pub fn find(&self, message: MessageId) -> Option<Trace> {
        self.table.get()?.find(message).filter(|trace| self.is_kept(trace))
    }

    /// All that is kept.
    pub fn iter(&self) -> impl Iterator<Item = Trace> {
        self.table.get().into_iter().flat_map(Table::all).filter(|trace| self.is_kept(trace))
    }

    /// The present, as times in a [`Trace`] are written.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.env.monotonic().since(self.began)
    }

    fn is_kept(&self, trace: &Trace) -> bool {
        self.now().saturating_sub(trace.accepted()) <= self.settings.keep
    }
}

#[cfg(test)]
mod tests;
