//! The functions of a build without the feature `otlp`, which do nothing.

use crate::log_ids::LogIds;
use http::StatusCode;
use http::request::Parts;
use std::future::{Ready, ready};
use std::time::Duration;
use webpush_core::id::MessageId;
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::Subscription;

/// Stands in for the spans of a service.
#[derive(Clone, Debug)]
pub struct NoSpans;

/// Stands in for the span of a request.
#[derive(Debug)]
pub struct NoSpan;

impl NoSpans {
    /// Does nothing.
    pub const fn disabled() -> Self {
        Self
    }

    /// Does nothing.
    pub fn start(&self, _: &Parts, _: impl FnOnce() -> Option<&'static str>) -> NoSpan {
        NoSpan
    }

    /// Does nothing.
    pub const fn record_subscription(&self, _: &Subscription) {}

    /// Does nothing.
    pub const fn record_message(&self, _: &Draft, _: &LogIds) {}

    /// Does nothing.
    pub const fn record_written(&self, _: MessageId) {}

    /// Does nothing.
    pub const fn record_end(&self, _: MessageId, _: Outcome) {}

    /// Returns zero.
    pub const fn flush_timeout(&self) -> Duration {
        Duration::ZERO
    }

    /// Completes immediately.
    pub fn close(&self) -> Ready<()> {
        ready(())
    }
}

impl NoSpan {
    /// Returns the future unchanged.
    pub const fn instrument<F: Future>(&self, future: F) -> F {
        future
    }

    /// Does nothing.
    pub const fn end(self, _: StatusCode) {}
}
