//! Keeps the runtime going while one of its workers waits for the disk.
//!
//! A worker of tokio that is woken by a single event wakes no other one. If it waits for the disk, nobody waits for timers
//! and connections until it is back: usually a fraction of a millisecond, but a disk can hang. A thread looks now and then
//! whether a worker waits for long, and gives the runtime a task then, for which another worker wakes up. To wake one before
//! each wait would cost more than a commit on a worker saves.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::runtime::Handle;
use webpush_store::embedded::SubmitterWaits;

/// The interval between looks, after two of which another worker is woken.
const INTERVAL: Duration = Duration::from_millis(20);
/// Looks without a wait after which the thread sleeps until there is one.
const QUIET_LOOKS: u32 = 50;

/// Observes the waits of workers.
pub(crate) struct RuntimeWatch {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    /// Counts beginnings and ends of waits, of which there is one at a time: odd while a worker waits.
    changes: AtomicUsize,
    is_asleep: AtomicBool,
    is_over: AtomicBool,
}

impl RuntimeWatch {
    /// Starts the thread, which ends when this is dropped.
    pub(crate) fn start(runtime: Handle) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let watched = Arc::clone(&shared);
        let thread = thread::Builder::new().name("runtime-watch".to_owned());
        let thread = thread.spawn(move || watched.run(&runtime))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }
}

impl Drop for RuntimeWatch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl SubmitterWaits for RuntimeWatch {
    fn begin(&self) {
        self.shared.changes.fetch_add(1, Ordering::SeqCst);
        if self.shared.is_asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    fn end(&self) {
        self.shared.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(&self, runtime: &Handle) {
        let (mut before, mut quiet_looks) = (0, 0);
        while !self.is_over.load(Ordering::SeqCst) {
            let now = self.changes.load(Ordering::SeqCst);
            quiet_looks = if now == before { quiet_looks + 1 } else { 0 };
            let waits = now % 2 == 1;
            if waits && now == before {
                drop(runtime.spawn(async {}));
            }
            before = now;
            if waits || quiet_looks < QUIET_LOOKS {
                thread::park_timeout(INTERVAL);
            } else {
                self.sleep(now);
            }
        }
    }

    /// Sleeps until a worker waits.
    fn sleep(&self, changes: usize) {
        self.is_asleep.store(true, Ordering::SeqCst);
        if self.changes.load(Ordering::SeqCst) == changes && !self.is_over.load(Ordering::SeqCst) {
            thread::park();
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use tokio::time::sleep;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn timers_go_on_while_a_worker_waits() {
        let watch = Arc::new(RuntimeWatch::start(Handle::current()).unwrap());
        for _ in 0..5 {
            let (sender, receiver) = channel();
            let timer = tokio::spawn(async move {
                sleep(Duration::from_millis(20)).await;
                sender.send(()).unwrap();
            });
            let watch = Arc::clone(&watch);
            let waiting = tokio::spawn(async move {
                // The worker that this event wakes is the only one that is not asleep.
                sleep(Duration::from_millis(10)).await;
                watch.begin();
                let sent = receiver.recv_timeout(Duration::from_secs(60));
                watch.end();
                sent
            });
            waiting.await.unwrap().expect("the other worker waits for the timer");
            timer.await.unwrap();
        }
    }

    #[test]
    fn the_thread_sleeps_while_no_worker_waits_and_ends_with_the_watch() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let watch = RuntimeWatch::start(runtime.handle().clone()).unwrap();
        let shared = Arc::clone(&watch.shared);
        let until = |is_so: &dyn Fn() -> bool| {
            while !is_so() {
                thread::yield_now();
            }
        };
        until(&|| shared.is_asleep.load(Ordering::SeqCst));
        watch.begin();
        until(&|| !shared.is_asleep.load(Ordering::SeqCst));
        watch.end();
        until(&|| shared.is_asleep.load(Ordering::SeqCst));
        drop(watch);
        until(&|| Arc::strong_count(&shared) == 1);
    }
}
