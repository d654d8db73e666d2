//! When an agent acknowledges.

use super::Agent;
use crate::shared::Shared;
use std::time::Duration;
use tokio::time::Instant;

/// Acknowledgements that an agent will send on its connection.
#[derive(Default)]
pub(super) struct PendingAcks(Vec<(Instant, u32, String)>);

impl PendingAcks {
    /// Plans the acknowledgements of a message.
    pub(super) fn plan(&mut self, agent: &Agent, shared: &Shared, message: u32, token: &str) {
        for delay in delays(agent, shared) {
            self.0.push((Instant::now() + delay, message, token.to_owned()));
        }
    }

    /// Returns when the next one is due, at most `end`.
    pub(super) fn next(&self, end: Instant) -> Instant {
        self.0.iter().map(|(at, ..)| *at).fold(end, Instant::min)
    }

    /// Takes those that are due.
    pub(super) fn take_due(&mut self) -> Vec<(u32, String)> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.0).into_iter().partition(|(at, ..)| *at <= now);
        self.0 = later;
        let due: Vec<_> = due;
        due.into_iter().map(|(_, message, token)| (message, token)).collect()
    }
}

/// Returns the delays of the acknowledgements of one message: none, one or two.
pub(super) fn delays(agent: &Agent, shared: &Shared) -> Vec<Duration> {
    if shared.is_settling.get() {
        return vec![Duration::ZERO];
    }
    let choice = agent.random.borrow_mut().below(10);
    match choice {
        0..6 => vec![Duration::ZERO],
        6..8 => vec![Duration::from_millis(agent.millis(&[100, 40_000]))],
        8 => vec![Duration::ZERO, Duration::from_millis(agent.millis(&[100, 5_000]))],
        _ => Vec::new(),
    }
}
