//! When an HTTP/2 connection has had its time: no more streams can be promised on it, or its peer misuses it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use webpush_core::env::MonotonicTime;
use webpush_core::rate::{Bucket, RateLimit};

/// How often a client may reset requests before their answer; one that does so more often is sent away
/// (CVE-2023-44487). The numbers are those of nghttp2.
const RESETS: RateLimit = RateLimit::at(33, 1, 1000);

/// A stream of messages that is reset before this has cost more than it brought.
const SHORT_STREAM: Duration = Duration::from_secs(1);

/// Shared by a connection and its requests.
pub struct ConnectionLifetime {
    last_promised_stream: u32,
    out_of_ids: AtomicBool,
    retired: Notify,
    resets: Mutex<Bucket>,
    flooded: AtomicBool,
}

impl ConnectionLifetime {
    /// Of a connection that promises streams up to an id.
    #[must_use]
    pub fn new(last_promised_stream: u32) -> Self {
        Self {
            last_promised_stream,
            out_of_ids: AtomicBool::new(false),
            retired: Notify::new(),
            resets: Mutex::default(),
            flooded: AtomicBool::new(false),
        }
    }

    /// Hears of each promise. Ids are never used again (RFC 9113 §5.1.1), so towards their end the connection is closed
    /// in order and the agent makes another one.
    pub fn promised(&self, stream: u32) {
        if stream >= self.last_promised_stream && !self.out_of_ids.swap(true, Ordering::AcqRel) {
            self.retired.notify_waiters();
        }
    }

    /// Whether the ids have come to their end.
    #[must_use]
    pub fn is_out_of_ids(&self) -> bool {
        self.out_of_ids.load(Ordering::Acquire)
    }

    /// Returns when they have.
    pub async fn out_of_ids(&self) {
        loop {
            let retired = self.retired.notified();
            if self.is_out_of_ids() {
                return;
            }
            retired.await;
        }
    }

    /// Hears of each request that its client had reset by the time it was answered. A few are a user who closed a page;
    /// very many are work for nothing (CVE-2023-44487).
    pub fn was_reset(&self, now: MonotonicTime) {
        let RateLimit::At(rate) = RESETS else { return };
        let now = u64::try_from(now.elapsed_since_start().as_nanos()).unwrap_or(u64::MAX);
        if self.resets.lock().unwrap_or_else(PoisonError::into_inner).take(rate, now).is_err() {
            self.flooded.store(true, Ordering::Release);
        }
    }

    /// Hears of each stream of messages that its client has reset.
    ///
    /// One that was let run for a while is no waste.
    pub fn was_left(&self, begun: MonotonicTime, now: MonotonicTime) {
        if now.since(begun) < SHORT_STREAM {
            self.was_reset(now);
        }
    }

    /// Whether the peer resets too many requests.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_service::limits::LAST_PROMISED_STREAM;

    #[tokio::test]
    async fn h2_j_a_connection_retires_before_its_ids_run_out() {
        let retirement = ConnectionLifetime::new(LAST_PROMISED_STREAM);
        for stream in [2, 4, LAST_PROMISED_STREAM - 2] {
            retirement.promised(stream);
            assert!(!retirement.is_out_of_ids(), "{stream}");
        }
        let (_, ()) = tokio::join!(retirement.out_of_ids(), async {
            retirement.promised(LAST_PROMISED_STREAM);
        });
        retirement.out_of_ids().await;
    }

    #[test]
    fn some_resets_are_usual_and_very_many_are_not() {
        let retirement = ConnectionLifetime::new(LAST_PROMISED_STREAM);
        for _ in 0..1000 {
            retirement.was_reset(MonotonicTime::default());
        }
        assert!(!retirement.is_flooded());
        for _ in 0..2000 {
            retirement.was_reset(MonotonicTime::default());
        }
        assert!(retirement.is_flooded());
    }
}
