//! The time of the next sweep.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use webpush_core::env::Env;
use webpush_core::time::Timestamp;
use webpush_store::Applied;

/// How long after its TTL a message is ended.
///
/// It is not delivered in this time, but an acknowledgement under way still counts. Together with the pause between
/// sweeps, the receipt of an expired message is sent within two seconds.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// Maximum sleep, because the wall clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// Waits for the earliest expiry of any stored message.
#[derive(Default)]
pub struct SweepTimer {
    next_millis: AtomicU64,
    earlier: Notify,
}

impl SweepTimer {
    /// Observes the expiry of newly stored messages.
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

    /// Makes the next sweep due now, for messages whose expiry was not observed.
    pub fn rescan(&self) {
        self.next_millis.store(0, Ordering::Release);
        self.earlier.notify_one();
    }

    /// Sets the next expiry that the store knows, unless an earlier one was observed.
    pub(super) fn set_next(&self, next: Timestamp) {
        self.next_millis.fetch_min(next.as_millis(), Ordering::AcqRel);
    }

    /// Waits until a sweep is due, and resets the next expiry.
    ///
    /// Afterwards the value is only ever lowered, by [`Self::observe`] and [`Self::set_next`] in any order.
    pub(super) async fn wait_until_due(&self, env: &Env) {
        loop {
            let next = Timestamp::from_millis(self.next_millis.load(Ordering::Acquire));
            let left = env.now().until(next.after(GRACE));
            if left.is_zero() {
                return self.next_millis.store(u64::MAX, Ordering::Release);
            }
            let sleep = tokio::time::sleep(left.min(MAX_SLEEP));
            tokio::select! {
                () = sleep => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}
