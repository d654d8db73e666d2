//! PING (RFC 9113 §6.7): keepalive, and confirmation that the peer has read everything before it.

use h2::{Ping, PingPong};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// State of a connection's PINGs, shared with its requests.
#[derive(Default)]
pub struct PingState {
    wanted: AtomicU64,
    confirmed: AtomicU64,
    requested: Notify,
    acknowledged: Notify,
}

impl PingState {
    /// Waits until the peer has acknowledged a PING sent after this call.
    ///
    /// It has then read everything that was written to the socket before.
    pub async fn confirm(&self) {
        let mine = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.requested.notify_one();
        loop {
            let acknowledged = self.acknowledged.notified();
            if self.confirmed.load(Ordering::Acquire) >= mine {
                return;
            }
            acknowledged.await;
        }
    }
}

/// Sends the PINGs of a connection, one at a time as `h2` requires.
pub struct Pinger {
    ping_pong: PingPong,
    interval: Interval,
    /// The last confirmation that the PING in flight is for, and true once it is overdue.
    in_flight: Option<(u64, bool)>,
}

impl Pinger {
    /// Creates a pinger that sends a PING every `keepalive`.
    ///
    /// A peer that has not responded by the next one is gone. Otherwise TTL 0 messages to a dead peer would be lost until
    /// TCP gives up.
    #[must_use]
    pub fn new(ping_pong: PingPong, keepalive: Duration) -> Self {
        let mut interval = interval_at(Instant::now() + keepalive, keepalive);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ping_pong, interval, in_flight: None }
    }

    /// Sends PINGs when one is due or requested. Returns when the peer is gone.
    pub async fn run(&mut self, state: &PingState) {
        loop {
            let waiting = self.in_flight.is_some();
            let alive = tokio::select! {
                pong = poll_fn(|cx| self.ping_pong.poll_pong(cx)), if waiting => pong.is_ok() && self.on_pong(state),
                () = state.requested.notified(), if !waiting => self.send(state),
                _ = self.interval.tick() => match &mut self.in_flight {
                    None => self.send(state),
                    Some((_, overdue)) => !std::mem::replace(overdue, true),
                },
            };
            if !alive {
                return;
            }
        }
    }

    fn send(&mut self, state: &PingState) -> bool {
        self.in_flight = Some((state.wanted.load(Ordering::Acquire), false));
        self.ping_pong.send_ping(Ping::opaque()).is_ok()
    }

    fn on_pong(&mut self, state: &PingState) -> bool {
        if let Some((wanted, _)) = self.in_flight.take() {
            state.confirmed.store(wanted, Ordering::Release);
            state.acknowledged.notify_waiters();
        }
        let more = state.wanted.load(Ordering::Acquire) > state.confirmed.load(Ordering::Acquire);
        !more || self.send(state)
    }
}
