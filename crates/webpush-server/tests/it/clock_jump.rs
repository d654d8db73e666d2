//! Messages that were accepted while the clock was wrong.

use crate::inside::LoopbackClient;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use webpush_core::env::{Clock, MonotonicTime};
use webpush_core::time::Timestamp;
use webpush_store::system::SystemClock;

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// A wall clock that is ahead by a number of days.
#[derive(Default)]
struct WrongClock {
    days_ahead: AtomicU64,
}

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(Duration::from_secs(24 * 3600 * self.days_ahead.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> MonotonicTime {
        SystemClock.monotonic()
    }
}

/// B8: a message expires at the time that was computed at its acceptance (docs/deployment.md).
#[tokio::test]
async fn b8_a_message_of_a_clock_that_was_ahead_stays_for_as_long_and_is_still_delivered() {
    let clock = Arc::new(WrongClock::default());
    let inside = LoopbackClient::at(Arc::clone(&clock) as _);
    let (agent, uaid, push) = inside.registered(65_536).await;
    drop(agent);
    clock.days_ahead.store(60, Ordering::Relaxed);
    inside.push_with(&push, HOUR, "from the future").await;
    clock.days_ahead.store(0, Ordering::Relaxed);
    let service = &inside.service;
    assert!(service.due(service.now().after(60 * DAY), 10).await.unwrap().entries.is_empty());
    assert_eq!(service.due(service.now().after(60 * DAY + 2 * HOUR), 10).await.unwrap().entries.len(), 1);
    let mut agent = inside.open(65_536);
    agent.hello(Some(&uaid)).await;
    assert_eq!(agent.notification().await.text, "from the future");
}
