//! Panics inside a store: of an observer, and of the log at a line.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use webpush_store::{CommitEvent, CommitObserver, Notice};

/// Panics as often as it is told to.
#[derive(Default)]
pub(crate) struct PanickingObserver {
    pub(crate) commits: AtomicUsize,
    pub(crate) missed: AtomicUsize,
    pub(crate) notices: AtomicUsize,
}

fn panic_if_left(count: &AtomicUsize) {
    let left = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
    assert!(left.is_err(), "the observer panics, as the test wants");
}

impl CommitObserver for PanickingObserver {
    fn committed(&self, _: &CommitEvent<'_>) {
        panic_if_left(&self.commits);
    }

    fn failed(&self) {}

    fn missed(&self) {
        panic_if_left(&self.missed);
    }

    fn noticed(&self, _: &Notice) {
        panic_if_left(&self.notices);
    }
}

/// A log that panics once at a line with this text.
#[derive(Clone, Default)]
pub(crate) struct PanickingLog(Arc<Mutex<Option<&'static str>>>);

impl PanickingLog {
    pub(crate) fn panic_at(&self, text: &'static str) {
        *self.0.lock().unwrap() = Some(text);
    }

    /// Returns true if it has panicked, or was not told to.
    pub(crate) fn is_done(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{value:?}"));
    }
}

impl Subscriber for PanickingLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let panics = self.0.lock().unwrap().take_if(|text| line.0.contains(*text)).is_some();
        assert!(!panics, "the log panics, as the test wants");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
