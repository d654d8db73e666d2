//! Samples of the last ten minutes, so that the charts of the dashboard are filled when it is opened.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use webpush_service::metrics::summary;
use webpush_service::service::Service;

/// Interval between samples.
const INTERVAL: Duration = Duration::from_secs(5);
/// Maximum number of samples: ten minutes, less than 1 KiB each.
const SAMPLES: usize = 120;

/// The most recent samples.
#[derive(Default)]
pub(super) struct History(Mutex<VecDeque<Value>>);

impl History {
    /// Returns the samples, the oldest first.
    pub(super) fn samples(&self) -> Vec<Value> {
        self.lock().iter().cloned().collect()
    }

    /// Records samples until dropped.
    pub(super) async fn run(&self, service: &Service) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let sample = summary::sample(service);
            let mut samples = self.lock();
            if samples.len() == SAMPLES {
                samples.pop_front();
            }
            samples.push_back(sample);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Value>> {
        // A panic cannot leave a partial sample.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
