//! When the next sweep is due.

use super::GRACE;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use webpush_core::env::Env;
use webpush_core::time::Timestamp;
use webpush_store::Applied;

/// When the next stored message expires, as far as anybody has said.
#[derive(Default)]
pub struct SweepTimer {
    next_millis: AtomicU64,
    earlier: Notify,
}

impl SweepTimer {
    /// Hears of stored messages.
    pub fn observe(&self, applied: &[Applied]) {
        for change in applied {
            if let Applied::Appended(appended) = change {
                let expires = appended.message.removal_time().as_millis();
                if expires < self.next_millis.fetch_min(expires, Ordering::AcqRel) {
                    self.earlier.notify_one();
                }
            }
        }
    }

    /// Lets the store say anew what is due.
    pub fn rescan(&self) {
        self.next_millis.store(0, Ordering::Release);
        self.earlier.notify_one();
    }

    /// Hears what the store says.
    pub(super) fn set_next(&self, next: Timestamp) {
        self.next_millis.fetch_min(next.as_millis(), Ordering::AcqRel);
    }

    /// Waits until a sweep is due. From then on any message may be the next: what the store says of it is only lowered
    /// by what commits say, never overwritten.
    pub(super) async fn wait_until_due(&self, env: &Env) {
        loop {
            let next = Timestamp::from_millis(self.next_millis.load(Ordering::Acquire));
            let left = env.now().until(next.after(GRACE));
            if left.is_zero() {
                return self.next_millis.store(u64::MAX, Ordering::Release);
            }
            // The clock may be set meanwhile: an hour is the longest that this sleeps on its word.
            let sleep = tokio::time::sleep(left.min(Duration::from_secs(3600)));
            tokio::select! {
                () = sleep => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}
