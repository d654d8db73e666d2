//! A build without the exporter: the same functions, which do nothing and cost nothing.

use crate::pseudonyms::Pseudonyms;
use http::StatusCode;
use http::request::Parts;
use std::future::{Ready, ready};
use std::time::Duration;
use webpush_core::id::MessageId;
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::Subscription;

/// No traces.
#[derive(Clone, Debug)]
pub struct Spans;

/// No span.
#[derive(Debug)]
pub struct Span;

impl Spans {
    /// None.
    pub const fn disabled() -> Self {
        Self
    }

    /// No span.
    pub fn start(&self, _: &Parts, _: impl FnOnce() -> Option<&'static str>) -> Span {
        Span
    }

    /// Nothing.
    pub const fn record_subscription(&self, _: &Subscription) {}

    /// Nothing.
    pub const fn record_message(&self, _: &Draft, _: &Pseudonyms) {}

    /// Nothing.
    pub const fn record_written(&self, _: MessageId) {}

    /// Nothing.
    pub const fn record_end(&self, _: MessageId, _: Outcome) {}

    /// No time.
    pub const fn flush_timeout(&self) -> Duration {
        Duration::ZERO
    }

    /// Done at once.
    pub fn close(&self) -> Ready<()> {
        ready(())
    }
}

impl Span {
    /// The future as it is.
    pub const fn instrument<F: Future>(&self, future: F) -> F {
        future
    }

    /// Nothing.
    pub const fn end(self, _: StatusCode) {}
}
