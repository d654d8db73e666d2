//! CallSiteLimits of the log: of what is said again and again only the first lines are written, and how many more there were.
//!
//! What is said at one place of the program is the same thing. Nothing disappears: what was left out is counted, and
//! [`CallSiteLimits::report`] says it.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// So many lines of one place are written in [`WINDOW`].
const LINES: u64 = 20;
/// Over which they are counted, and after which it is said how many more there were.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Places that are watched. The program and its libraries have fewer that say anything; beyond that all is written.
const PLACES: usize = 1024;
/// So much of a message is repeated when it is said how often it came.
const MESSAGE_BYTES: usize = 200;
/// What reports are logged under.
const REPORTS: &str = "webpush_server::log::floods";

/// What is said, place by place.
#[derive(Debug)]
pub struct CallSiteLimits {
    begun: Instant,
    places: RwLock<HashMap<Identifier, CallSite>>,
}

#[derive(Debug, Default)]
struct CallSite {
    target: &'static str,
    /// When the window began, in milliseconds.
    since: AtomicU64,
    written: AtomicU64,
    left_out: AtomicU64,
    /// Of the first that was left out.
    message: Mutex<String>,
}

/// What was left out of the log at one place.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    target: &'static str,
    message: String,
    lines: u64,
}

/// Keeps from the log what there is too much of.
pub(super) struct RateLimitLayer(pub(super) Arc<CallSiteLimits>);

impl<S: Subscriber> Layer<S> for RateLimitLayer {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Whoever asks for details wants all of them.
        if *event.metadata().level() > Level::INFO || event.metadata().target() == REPORTS {
            return true;
        }
        let millis = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.admits(event.metadata(), millis, || message(event))
    }
}

impl Default for CallSiteLimits {
    fn default() -> Self {
        Self { begun: Instant::now(), places: RwLock::default() }
    }
}

impl CallSiteLimits {
    /// Says what was left out since it was said last. To be called every [`WINDOW`].
    pub fn report(&self) {
        for LeftOut { target, message, lines } in self.left_out() {
            tracing::warn!(target: REPORTS, from = target, "{lines} more like this in the last 10 s: {message}");
        }
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let counted = places.values().filter_map(|place| {
            let lines = place.left_out.swap(0, Ordering::Relaxed);
            let message =
                || std::mem::take(&mut *place.message.lock().unwrap_or_else(PoisonError::into_inner));
            (lines > 0).then(|| LeftOut { target: place.target, message: message(), lines })
        });
        counted.collect()
    }

    /// Whether one more line may be written. A place that is known takes a lock that others share, and three additions.
    fn admits(&self, of: &Metadata<'static>, millis: u64, message: impl FnOnce() -> String) -> bool {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&of.callsite()) {
            return place.admits(millis, message);
        }
        drop(places);
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES {
            return true;
        }
        let new = || CallSite { target: of.target(), since: AtomicU64::new(millis), ..CallSite::default() };
        places.entry(of.callsite()).or_insert_with(new).admits(millis, message)
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
        if self.written.fetch_add(1, Ordering::Relaxed) < LINES {
            return true;
        }
        if self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
            *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message();
        }
        false
    }
}

/// What an event says, cut where it is long.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                // A string takes all that is written.
                let _ = write!(self.0, "{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    let Message(mut message) = message;
    let whole = (0..=MESSAGE_BYTES.min(message.len())).rev().find(|at| message.is_char_boundary(*at));
    message.truncate(whole.unwrap_or_default());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Counts what comes through.
    #[derive(Default)]
    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn logged(say: impl FnOnce()) -> (usize, Arc<CallSiteLimits>) {
        let (floods, count) = (Arc::<CallSiteLimits>::default(), Arc::<AtomicUsize>::default());
        let layers = tracing_subscriber::registry()
            .with(RateLimitLayer(Arc::clone(&floods)))
            .with(Count(Arc::clone(&count)));
        tracing::subscriber::with_default(layers, say);
        (count.load(Ordering::Relaxed), floods)
    }

    #[test]
    fn of_a_flood_the_first_lines_are_written_and_the_rest_is_counted() {
        let (written, floods) = logged(|| {
            for number in 0..1000 {
                tracing::error!(number, "the same again: {number}");
            }
            tracing::error!("something else");
        });
        assert_eq!(written, 21);
        let left_out = floods.left_out();
        let [LeftOut { target, message, lines: 980 }] = &left_out[..] else { panic!("{left_out:?}") };
        assert_eq!((*target, message.as_str()), (module_path!(), "the same again: 20"));
        assert_eq!(floods.left_out(), [], "it is said once");
    }

    #[test]
    fn what_is_said_of_it_is_written_itself_and_details_are_never_left_out() {
        let (written, _) = logged(|| {
            for _ in 0..50 {
                tracing::debug!("a detail");
                tracing::warn!(target: REPORTS, "a report");
            }
        });
        assert_eq!(written, 100);
    }

    #[test]
    fn each_window_begins_anew() {
        let place = CallSite::default();
        let written = |from: u64, to: u64| (from..to).filter(|at| place.admits(*at, String::new)).count();
        assert_eq!((written(0, 5000), written(5000, 10_000), written(10_000, 10_050)), (20, 0, 20));
        assert_eq!(place.left_out.load(Ordering::Relaxed), 10_010);
        assert_eq!(written(500_000, 500_003), 3, "it is over");
    }

    #[test]
    fn a_long_message_is_cut() {
        let (_, floods) = logged(|| (0..21).for_each(|_| tracing::info!("{}", "ü".repeat(1000))));
        assert_eq!(floods.left_out()[0].message.len(), MESSAGE_BYTES);
    }
}
