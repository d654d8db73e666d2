//! PING (RFC 9113 §6.7): whether a peer is still there, and whether it has read what it was sent.

use h2::{Ping, PingPong};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// What the requests of a connection see of its PINGs.
#[derive(Default)]
pub struct PingState {
    wanted: AtomicU64,
    answered: AtomicU64,
    ask: Notify,
    heard: Notify,
}

impl PingState {
    /// Waits until the peer has answered a PING that was sent from now on. It then has read all that had been written
    /// to the socket before.
    pub async fn confirm(&self) {
        let mine = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.ask.notify_one();
        loop {
            let heard = self.heard.notified();
            if self.answered.load(Ordering::Acquire) >= mine {
                return;
            }
            heard.await;
        }
    }
}

/// The connection's side: sends the PINGs, one at a time as `h2` has it.
pub struct Pinger {
    ping_pong: PingPong,
    interval: Interval,
    /// The last confirmation that the PING on its way is for, and whether a whole interval has begun since.
    on_its_way: Option<(u64, bool)>,
}

impl Pinger {
    /// `keepalive` is how often the peer is asked; one that has not answered by the next time is gone. Without this a
    /// dead peer would swallow messages with TTL 0 until TCP gives up.
    #[must_use]
    pub fn new(ping_pong: PingPong, keepalive: Duration) -> Self {
        let mut interval = interval_at(Instant::now() + keepalive, keepalive);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ping_pong, interval, on_its_way: None }
    }

    /// Asks when it is time to or when somebody wants to know. Returns when the peer is gone.
    pub async fn beat_until_dead(&mut self, pulse: &PingState) {
        loop {
            let waiting = self.on_its_way.is_some();
            let alive = tokio::select! {
                pong = poll_fn(|cx| self.ping_pong.poll_pong(cx)), if waiting => pong.is_ok() && self.hear(pulse),
                () = pulse.ask.notified(), if !waiting => self.ask(pulse),
                _ = self.interval.tick() => match &mut self.on_its_way {
                    None => self.ask(pulse),
                    Some((_, overdue)) => !std::mem::replace(overdue, true),
                },
            };
            if !alive {
                return;
            }
        }
    }

    fn ask(&mut self, pulse: &PingState) -> bool {
        self.on_its_way = Some((pulse.wanted.load(Ordering::Acquire), false));
        self.ping_pong.send_ping(Ping::opaque()).is_ok()
    }

    fn hear(&mut self, pulse: &PingState) -> bool {
        if let Some((wanted, _)) = self.on_its_way.take() {
            pulse.answered.store(wanted, Ordering::Release);
            pulse.heard.notify_waiters();
        }
        let more = pulse.wanted.load(Ordering::Acquire) > pulse.answered.load(Ordering::Acquire);
        !more || self.ask(pulse)
    }
}
