//! The agents that take longest to acknowledge, computed from the traces on request.

use super::{Stage, Trace, Traces};
use std::collections::HashMap;
use std::time::Duration;
use webpush_core::id::InboxId;

/// How long an agent takes to acknowledge messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckLatency {
    /// Number of messages sent to the agent.
    pub messages: u32,
    /// Number of them that are not acknowledged yet.
    pub waiting: u32,
    /// Longest time from writing a message to its acknowledgement, or until now.
    pub longest: Duration,
}

impl Traces {
    /// Returns up to `max` agents, the slowest first.
    #[must_use]
    pub fn slowest(&self, max: usize) -> Vec<(InboxId, AckLatency)> {
        let mut agents: HashMap<InboxId, AckLatency> = HashMap::new();
        let now = self.now();
        for trace in self.iter() {
            if let Some((elapsed, is_waiting)) = ack_time(&trace, now) {
                let latency = agents.entry(trace.entry.inbox).or_default();
                latency.messages += 1;
                latency.waiting += u32::from(is_waiting);
                latency.longest = latency.longest.max(elapsed);
            }
        }
        let mut agents: Vec<_> = agents.into_iter().collect();
        agents.sort_unstable_by_key(|(agent, latency)| (std::cmp::Reverse(latency.longest), *agent));
        agents.truncate(max);
        agents
    }
}

/// Returns the time since a message was written, and true if it still waits for acknowledgement.
///
/// Returns `None` for messages that ended in another way, or need no acknowledgement.
fn ack_time(trace: &Trace, now: Duration) -> Option<(Duration, bool)> {
    let written = trace.at(Stage::Written)?;
    match (trace.at(Stage::Acknowledged), trace.at(Stage::Ended)) {
        (Some(acknowledged), _) => Some((acknowledged.saturating_sub(written), false)),
        (None, Some(_)) => None,
        (None, None) if trace.is_now_or_never => None,
        (None, None) => Some((now.saturating_sub(written), true)),
    }
}
