//! The times at which messages are sent.
//!
//! Closed loop: a fixed number is in flight, and each response triggers the next message. A slow server gets fewer
//! requests, so latencies miss what would have arrived meanwhile (coordinated omission). It shows the cost of a
//! message, not its latency. Open loop: each message has a due time regardless of the server, from which its latency
//! counts, even when every sender was busy.

use crate::body::Beginning;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Tick of an open loop: timers of the runtime are no finer than a millisecond.
const LOOK: Duration = Duration::from_micros(200);

/// Hands out the numbers of messages, each at its due time.
pub struct SendRate {
    next: AtomicU64,
    most: u64,
    beginning: Beginning,
    end: Duration,
    open: Option<OpenLoop>,
    over: Arc<AtomicBool>,
}

struct OpenLoop {
    rate: f64,
    due: Arc<Semaphore>,
    started: Duration,
    clock: Option<JoinHandle<()>>,
}

/// A message that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number.
    pub number: u64,
    /// Its due time, from the start.
    pub due: Duration,
}

impl SendRate {
    /// Starts now, and ends after `length` or `most` messages.
    ///
    /// A rate per second makes it an open loop.
    #[must_use]
    pub fn new(beginning: Beginning, length: Duration, most: u64, rate: Option<f64>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let start = beginning.elapsed();
        let open = rate.map(|rate| OpenLoop::start(rate, beginning, start, Arc::clone(&over)));
        Self { next: AtomicU64::new(0), most, beginning, end: start + length, open, over }
    }

    /// Waits for the next message; `None` at the end.
    pub async fn next(&self) -> Option<Turn> {
        if let Some(open) = &self.open {
            // Closed at the end.
            open.due.acquire().await.ok()?.forget();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match &self.open {
            Some(open) => self.start_of(open, number),
            None => self.beginning.elapsed(),
        };
        let is_over = number >= self.most || due >= self.end;
        if is_over {
            self.stop();
        }
        (!is_over && !self.over.load(Ordering::Relaxed)).then_some(Turn { number, due })
    }

    /// Ends the run early.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(open) = &self.open {
            open.due.close();
        }
    }

    fn start_of(&self, open: &OpenLoop, number: u64) -> Duration {
        open.started + Duration::from_secs_f64(number as f64 / open.rate)
    }
}

impl OpenLoop {
    fn start(rate: f64, beginning: Beginning, started: Duration, over: Arc<AtomicBool>) -> Self {
        let due = Arc::new(Semaphore::new(0));
        let permits = Arc::clone(&due);
        let clock = thread::spawn(move || {
            let mut given = 0;
            while !over.load(Ordering::Relaxed) {
                let elapsed = beginning.elapsed().saturating_sub(started);
                // The first is due immediately.
                let due = (elapsed.as_secs_f64() * rate) as usize + 1;
                permits.add_permits(due.saturating_sub(given));
                given = due.max(given);
                thread::sleep(LOOK);
            }
        });
        Self { rate, due, started, clock: Some(clock) }
    }
}

impl Drop for SendRate {
    fn drop(&mut self) {
        self.stop();
        if let Some(clock) = self.open.as_mut().and_then(|open| open.clock.take()) {
            // It neither panics nor returns a value.
            let _ = clock.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn an_open_loop_sticks_to_its_times_when_the_server_does_not() {
        let pace = SendRate::new(Beginning::now(), Duration::from_secs(10), 50, Some(1000.0));
        // As if the first response took 20 ms: later messages are late, and record it.
        let turns = runtime().block_on(async {
            let mut turns = vec![pace.next().await.unwrap()];
            thread::sleep(Duration::from_millis(20));
            while let Some(turn) = pace.next().await {
                turns.push(turn);
            }
            turns
        });
        assert_eq!(turns.len(), 50);
        for pair in turns.windows(2) {
            let apart = pair[1].due.saturating_sub(pair[0].due).as_secs_f64();
            assert!((apart - 0.001).abs() < 1e-6, "{pair:?}");
        }
    }

    #[test]
    fn a_closed_loop_ends_after_its_messages_or_its_time() {
        let pace = SendRate::new(Beginning::now(), Duration::from_secs(10), 3, None);
        let count = |pace: &SendRate| {
            runtime().block_on(async {
                let mut turns = 0;
                while pace.next().await.is_some() {
                    turns += 1;
                }
                turns
            })
        };
        assert_eq!(count(&pace), 3);
        let pace = SendRate::new(Beginning::now(), Duration::from_millis(5), u64::MAX, None);
        assert!(count(&pace) > 0);
    }
}
