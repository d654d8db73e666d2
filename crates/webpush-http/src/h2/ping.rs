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
    sent: AtomicU64,
    wanted: AtomicU64,
    confirmed: AtomicU64,
    requested: Notify,
    acknowledged: Notify,
}

impl PingState {
    /// Returns the number of PINGs that were sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

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
    /// The last confirmation that the PING in flight is for.
    in_flight: Option<u64>,
}

impl Pinger {
    /// Creates a pinger that sends a PING whenever none was sent for `keepalive`.
    ///
    /// A peer that has not answered one within `keepalive` is gone. Otherwise TTL 0 messages to a dead peer would be lost
    /// until TCP gives up.
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
                // An answer that has arrived counts, even if the process was suspended until after the deadline.
                biased;
                pong = poll_fn(|cx| self.ping_pong.poll_pong(cx)), if waiting => pong.is_ok() && self.on_pong(state),
                () = state.requested.notified(), if !waiting => self.send(state),
                // `send` has restarted the interval, so a PING that is still in flight is overdue.
                _ = self.interval.tick() => !waiting && self.send(state),
            };
            if !alive {
                return;
            }
        }
    }

    fn send(&mut self, state: &PingState) -> bool {
        self.interval.reset();
        state.sent.fetch_add(1, Ordering::Relaxed);
        self.in_flight = Some(state.wanted.load(Ordering::Acquire));
        self.ping_pong.send_ping(Ping::opaque()).is_ok()
    }

    fn on_pong(&mut self, state: &PingState) -> bool {
        if let Some(wanted) = self.in_flight.take() {
            state.confirmed.store(wanted, Ordering::Release);
            state.acknowledged.notify_waiters();
        }
        let more = state.wanted.load(Ordering::Acquire) > state.confirmed.load(Ordering::Acquire);
        !more || self.send(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    const KEEPALIVE: Duration = Duration::from_secs(60);
    /// The preface of a client, and empty SETTINGS.
    const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// Requests a PING after a time, and returns when a peer that answers nothing counts as gone.
    async fn gone_after(request: Duration) -> Duration {
        let (near, mut far) = duplex(4096);
        far.write_all(OPENING).await.unwrap();
        let mut connection = h2::server::handshake(near).await.unwrap();
        let mut pinger = Pinger::new(connection.ping_pong().unwrap(), KEEPALIVE);
        let (state, begun) = (PingState::default(), Instant::now());
        let requested = async {
            tokio::time::sleep(request).await;
            state.confirm().await;
        };
        tokio::select! {
            () = pinger.run(&state) => begun.elapsed(),
            () = requested => panic!("nobody has answered"),
            closed = poll_fn(|cx| connection.poll_closed(cx)) => panic!("{closed:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_answer_for_one_interval_is_gone() {
        assert_eq!(gone_after(Duration::MAX).await.as_secs(), 60 + 60);
        let requested = Duration::from_secs(20);
        assert_eq!(gone_after(requested).await.as_secs(), 20 + 60);
    }
}
