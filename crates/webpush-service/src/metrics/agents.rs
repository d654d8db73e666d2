//! Who listens, how that ends, and what agents say of what they got.

use super::exposition::{Counters, Exposition};
use crate::service::Service;
use crate::session_registry::Transport;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Status codes of a WebSocket close (RFC 6455 §7.4) that are told apart.
const CLOSES: [&str; 11] =
    ["1000", "1001", "1002", "1003", "1007", "1008", "1009", "1011", "1013", "other", "none"];
/// What agents say of a message instead of 100, «delivered»: with an acknowledgement or in its place.
const COMPLAINTS: [&str; 6] = ["101", "102", "301", "302", "303", "other"];

/// Who closed a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// This service.
    Service,
    /// The agent.
    Agent,
}

/// Agents on WebSockets; how many listen the registry knows.
#[derive(Debug, Default)]
pub struct Agents {
    returned: AtomicU64,
    closed_by_service: Counters<11>,
    closed_by_agent: Counters<11>,
    complaints: Counters<6>,
}

impl Agents {
    /// An agent has said hello that is known here.
    pub fn count_returning(&self) {
        self.returned.fetch_add(1, Ordering::Relaxed);
    }

    /// A WebSocket was closed, with a code if there was a close.
    pub fn count_close(&self, by: ClosedBy, code: Option<u16>) {
        let closed = match by {
            ClosedBy::Service => &self.closed_by_service,
            ClosedBy::Agent => &self.closed_by_agent,
        };
        closed.add(code.map_or(CLOSES.len() - 1, |code| place(&CLOSES[..CLOSES.len() - 1], code)), 1);
    }

    /// An agent could not use a message, and said why.
    pub fn count_nack(&self, code: u16) {
        self.complaints.add(place(&COMPLAINTS, code), 1);
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>, service: &Service) -> fmt::Result {
        let registry = &service.registry;
        let sessions = || Transport::ALL.into_iter();
        out.gauges(
            "sessions",
            "Agents and senders that listen now, by how: rfc8030 and legacy by server push, events, autopush on a WebSocket.",
            "protocol",
            sessions().map(|way| (way.as_str(), registry.session_count(way))),
        )?;
        out.counters(
            "sessions_opened",
            "How often somebody began to listen, by how.",
            "protocol",
            sessions().map(|way| (way.as_str(), registry.opened_count(way))),
        )?;
        out.counter(
            "agents_returned",
            "Agents on a WebSocket that said who they were before, and were known.",
            self.returned.load(Ordering::Relaxed),
        )?;
        out.table(
            "websocket_closes",
            "WebSockets that were closed, by whom and with which code; none is a connection that broke.",
            ["by", "code"],
            self.closed_by_service.row("service", CLOSES).chain(self.closed_by_agent.row("agent", CLOSES)),
        )?;
        out.counters(
            "agent_complaints",
            "Messages that an autopush agent could not use, by the code it gave: 101 and 301 could not be decrypted, 102 and 302 \
             could not be delivered, 303 for another reason. What it says nothing of was delivered.",
            "code",
            self.complaints.named(COMPLAINTS),
        )?;
        out.gauge(
            "broadcasts",
            "Broadcasts that have a version.",
            service.broadcasts.versions().len() as u64,
        )?;
        out.counter(
            "broadcast_changes",
            "How often the versions of broadcasts were set, the start included.",
            u64::from(service.broadcasts.generation()),
        )
    }
}

/// The place of a code, or else of the last name.
fn place(names: &[&str], code: u16) -> usize {
    let last = names.len() - 1;
    names[..last].iter().position(|name| name.parse() == Ok(code)).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_closed_set() {
        let agents = Agents::default();
        for (code, name) in
            [(Some(1000), "1000"), (Some(1013), "1013"), (Some(4000), "other"), (None, "none")]
        {
            agents.count_close(ClosedBy::Agent, code);
            assert!(agents.closed_by_agent.named(CLOSES).any(|one| one == (name, 1)), "{name}");
        }
        assert!(agents.closed_by_service.named(CLOSES).all(|(_, number)| number == 0));
        for (code, name) in [(101, "101"), (303, "303"), (7, "other")] {
            agents.count_nack(code);
            assert!(agents.complaints.named(COMPLAINTS).any(|one| one == (name, 1)), "{name}");
        }
    }
}
