//! The agents that take longest to acknowledge, from what is kept of messages: the way of a message pays nothing for it.

use super::{Stage, Trace, Traces};
use std::collections::HashMap;
use std::time::Duration;
use webpush_core::id::InboxId;

/// What an agent took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckLatency {
    /// Messages that it was sent.
    pub messages: u32,
    /// Those of them that it has not acknowledged yet.
    pub waiting: u32,
    /// The longest time from a message's way to its connection until its acknowledgement, or until now.
    pub longest: Duration,
}

impl Traces {
    /// So many agents, the slowest first.
    #[must_use]
    pub fn slowest(&self, most: usize) -> Vec<(InboxId, AckLatency)> {
        let mut agents: HashMap<InboxId, AckLatency> = HashMap::new();
        let now = self.now();
        for trace in self.iter() {
            if let Some((taken, waits)) = taken(&trace, now) {
                let pace = agents.entry(trace.entry.inbox).or_default();
                pace.messages += 1;
                pace.waiting += u32::from(waits);
                pace.longest = pace.longest.max(taken);
            }
        }
        let mut agents: Vec<_> = agents.into_iter().collect();
        agents.sort_unstable_by_key(|(agent, pace)| (std::cmp::Reverse(pace.longest), *agent));
        agents.truncate(most);
        agents
    }
}

/// How long an agent took for a message that it was sent, and whether it still does. What ended in another way says
/// nothing of the agent, nor does what nobody acknowledges.
fn taken(trace: &Trace, now: Duration) -> Option<(Duration, bool)> {
    let written = trace.at(Stage::Written)?;
    match (trace.at(Stage::Acknowledged), trace.at(Stage::Ended)) {
        (Some(acknowledged), _) => Some((acknowledged.saturating_sub(written), false)),
        (None, Some(_)) => None,
        (None, None) if trace.is_now_or_never => None,
        (None, None) => Some((now.saturating_sub(written), true)),
    }
}
