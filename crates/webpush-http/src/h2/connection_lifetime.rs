//! Reasons to end an HTTP/2 connection: no stream IDs are left for promises, or its peer misuses it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use webpush_core::env::MonotonicTime;
use webpush_core::rate::{Bucket, RateLimit};

/// How often a client may reset requests before their response (CVE-2023-44487), as in nghttp2.
const RESETS: RateLimit = RateLimit::at(33, 1, 1000);

/// A session that is reset before this time counts as a reset request.
const SHORT_STREAM: Duration = Duration::from_secs(1);

/// Decides when a connection ends. Shared by the connection and its requests.
pub struct ConnectionLifetime {
    last_promised_stream: u32,
    out_of_ids: AtomicBool,
    notify: Notify,
    resets: Mutex<Bucket>,
    flooded: AtomicBool,
}

impl ConnectionLifetime {
    /// Creates the state of a connection that promises streams up to an ID.
    #[must_use]
    pub fn new(last_promised_stream: u32) -> Self {
        Self {
            last_promised_stream,
            out_of_ids: AtomicBool::new(false),
            notify: Notify::new(),
            resets: Mutex::default(),
            flooded: AtomicBool::new(false),
        }
    }

    /// Records a promise.
    ///
    /// IDs are never reused (RFC 9113 §5.1.1). When they run out, the connection is closed and the agent opens another.
    pub fn record_promise(&self, stream: u32) {
        if stream >= self.last_promised_stream && !self.out_of_ids.swap(true, Ordering::AcqRel) {
            self.notify.notify_waiters();
        }
    }

    /// Returns true if no IDs are left.
    #[must_use]
    pub fn is_out_of_ids(&self) -> bool {
        self.out_of_ids.load(Ordering::Acquire)
    }

    /// Waits until no IDs are left.
    pub async fn out_of_ids(&self) {
        loop {
            let notify = self.notify.notified();
            if self.is_out_of_ids() {
                return;
            }
            notify.await;
        }
    }

    /// Records a request that was reset before its response.
    ///
    /// Some are from users who closed a page; very many are an attack (CVE-2023-44487).
    pub fn record_reset(&self, now: MonotonicTime) {
        let RateLimit::At(rate) = RESETS else { return };
        let now = u64::try_from(now.elapsed_since_start().as_nanos()).unwrap_or(u64::MAX);
        if self.resets.lock().unwrap_or_else(PoisonError::into_inner).take(rate, now).is_err() {
            self.flooded.store(true, Ordering::Release);
        }
    }

    /// Records a session that was reset, which is not misuse once it has lasted for a while.
    pub fn record_session_reset(&self, begun: MonotonicTime, now: MonotonicTime) {
        if now.since(begun) < SHORT_STREAM {
            self.record_reset(now);
        }
    }

    /// Returns true if the peer has reset too many requests.
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
        let lifetime = ConnectionLifetime::new(LAST_PROMISED_STREAM);
        for stream in [2, 4, LAST_PROMISED_STREAM - 2] {
            lifetime.record_promise(stream);
            assert!(!lifetime.is_out_of_ids(), "{stream}");
        }
        let (_, ()) = tokio::join!(lifetime.out_of_ids(), async {
            lifetime.record_promise(LAST_PROMISED_STREAM);
        });
        lifetime.out_of_ids().await;
    }

    #[test]
    fn too_many_resets_are_a_flood() {
        let lifetime = ConnectionLifetime::new(LAST_PROMISED_STREAM);
        for _ in 0..1000 {
            lifetime.record_reset(MonotonicTime::default());
        }
        assert!(!lifetime.is_flooded());
        for _ in 0..2000 {
            lifetime.record_reset(MonotonicTime::default());
        }
        assert!(lifetime.is_flooded());
    }
}
