//! Rate limits of the log, per call site.
//!
//! Suppressed lines are never lost silently: [`CallSiteLimits::report`] logs their number.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Maximum number of lines per call site in a [`WINDOW`].
const MAX_LINES: u64 = 20;
/// The window in which lines are counted, and the interval of reports.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Maximum number of call sites with a limit, more than the program and its libraries have.
const MAX_CALL_SITES: usize = 1024;
/// Maximum length of a message in a report.
const MESSAGE_BYTES: usize = 200;
/// The target of reports.
const REPORTS: &str = "webpush_server::log::rate_limit";

/// The rate limits of all call sites.
#[derive(Debug)]
pub struct CallSiteLimits {
    start: Instant,
    call_sites: RwLock<HashMap<Identifier, CallSite>>,
}

#[derive(Debug, Default)]
struct CallSite {
    target: &'static str,
    /// Start of the window, in milliseconds.
    since: AtomicU64,
    written: AtomicU64,
    suppressed: AtomicU64,
    /// The message of the first suppressed line.
    message: Mutex<String>,
}

/// The lines of a call site that were not written.
#[derive(Debug, PartialEq, Eq)]
struct Suppressed {
    target: &'static str,
    message: String,
    lines: u64,
}

/// Suppresses lines over the limit.
pub(super) struct RateLimitLayer(pub(super) Arc<CallSiteLimits>);

impl<S: Subscriber> Layer<S> for RateLimitLayer {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Debug and trace levels are complete.
        if *event.metadata().level() > Level::INFO || event.metadata().target() == REPORTS {
            return true;
        }
        let millis = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.admits(event.metadata(), millis, || message(event))
    }
}

impl Default for CallSiteLimits {
    fn default() -> Self {
        Self { start: Instant::now(), call_sites: RwLock::default() }
    }
}

impl CallSiteLimits {
    /// Logs the number of lines suppressed since the last report. Call it every [`WINDOW`].
    pub fn report(&self) {
        for Suppressed { target, message, lines } in self.suppressed() {
            tracing::warn!(target: REPORTS, from = target, "{lines} more lines like this in the last {} s: {message}",
                WINDOW.as_secs()
            );
        }
    }

    fn suppressed(&self) -> Vec<Suppressed> {
        let call_sites = self.call_sites.read().unwrap_or_else(PoisonError::into_inner);
        let counted = call_sites.values().filter_map(|call_site| {
            let lines = call_site.suppressed.swap(0, Ordering::Relaxed);
            let message =
                || std::mem::take(&mut *call_site.message.lock().unwrap_or_else(PoisonError::into_inner));
            (lines > 0).then(|| Suppressed { target: call_site.target, message: message(), lines })
        });
        counted.collect()
    }

    /// Returns true if the line is within the limit.
    ///
    /// Takes a shared lock, except for the first line of a call site.
    fn admits(&self, metadata: &Metadata<'static>, millis: u64, message: impl FnOnce() -> String) -> bool {
        let call_sites = self.call_sites.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(call_site) = call_sites.get(&metadata.callsite()) {
            return call_site.admits(millis, message);
        }
        drop(call_sites);
        let mut call_sites = self.call_sites.write().unwrap_or_else(PoisonError::into_inner);
        if call_sites.len() >= MAX_CALL_SITES {
            return true;
        }
        let new =
            || CallSite { target: metadata.target(), since: AtomicU64::new(millis), ..CallSite::default() };
        call_sites.entry(metadata.callsite()).or_insert_with(new).admits(millis, message)
    }
}

impl CallSite {
    fn admits(&self, millis: u64, message: impl FnOnce() -> String) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        if u128::from(millis.saturating_sub(since)) >= WINDOW.as_millis()
            && self.since.compare_exchange(since, millis, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.written.store(0, Ordering::Relaxed);
        }
        if self.written.fetch_add(1, Ordering::Relaxed) < MAX_LINES {
            return true;
        }
        if self.suppressed.fetch_add(1, Ordering::Relaxed) == 0 {
            *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message();
        }
        false
    }
}

/// Returns the message of an event, truncated.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                // Writing to a string cannot fail.
                let _ = write!(self.0, "{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    let Message(mut message) = message;
    let end = (0..=MESSAGE_BYTES.min(message.len())).rev().find(|at| message.is_char_boundary(*at));
    message.truncate(end.unwrap_or_default());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Counts the lines that pass.
    #[derive(Default)]
    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn logged(events: impl FnOnce()) -> (usize, Arc<CallSiteLimits>) {
        let (limits, count) = (Arc::<CallSiteLimits>::default(), Arc::<AtomicUsize>::default());
        let layers = tracing_subscriber::registry()
            .with(RateLimitLayer(Arc::clone(&limits)))
            .with(Count(Arc::clone(&count)));
        tracing::subscriber::with_default(layers, events);
        (count.load(Ordering::Relaxed), limits)
    }

    #[test]
    fn the_first_lines_are_written_and_the_rest_is_counted() {
        let (written, limits) = logged(|| {
            for number in 0..1000 {
                tracing::error!(number, "the same again: {number}");
            }
            tracing::error!("something else");
        });
        assert_eq!(written, 21);
        let suppressed = limits.suppressed();
        let [Suppressed { target, message, lines: 980 }] = &suppressed[..] else { panic!("{suppressed:?}") };
        assert_eq!((*target, message.as_str()), (module_path!(), "the same again: 20"));
        assert_eq!(limits.suppressed(), [], "reported once");
    }

    #[test]
    fn reports_and_debug_lines_are_never_suppressed() {
        let (written, _) = logged(|| {
            for _ in 0..50 {
                tracing::debug!("a detail");
                tracing::warn!(target: REPORTS, "a report");
            }
        });
        assert_eq!(written, 100);
    }

    #[test]
    fn each_window_starts_from_zero() {
        let call_site = CallSite::default();
        let written = |from: u64, to: u64| (from..to).filter(|at| call_site.admits(*at, String::new)).count();
        assert_eq!((written(0, 5000), written(5000, 10_000), written(10_000, 10_050)), (20, 0, 20));
        assert_eq!(call_site.suppressed.load(Ordering::Relaxed), 10_010);
        assert_eq!(written(500_000, 500_003), 3);
    }

    #[test]
    fn a_long_message_is_truncated() {
        let (_, limits) = logged(|| (0..21).for_each(|_| tracing::info!("{}", "ü".repeat(1000))));
        assert_eq!(limits.suppressed()[0].message.len(), MESSAGE_BYTES);
    }
}
