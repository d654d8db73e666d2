//! Sessions, WebSocket closes and negative acknowledgements.

use super::exposition::{Counters, Exposition};
use crate::broadcasts::Broadcasts;
use crate::session_registry::{SessionRegistry, TransportKind};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Values of the label for WebSocket close codes (RFC 6455 §7.4).
const CLOSES: [&str; 11] =
    ["1000", "1001", "1002", "1003", "1007", "1008", "1009", "1011", "1013", "other", "none"];
/// Values of the label for codes that autopush agents send instead of 100 (delivered).
const NACK_CODES: [&str; 6] = ["101", "102", "301", "302", "303", "other"];

/// Who closed a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// This server.
    Service,
    /// The agent.
    Agent,
}

/// Counters of WebSocket agents.
#[derive(Debug, Default)]
pub struct Agents {
    returning: AtomicU64,
    closed_by_service: Counters<11>,
    closed_by_agent: Counters<11>,
    nacks: Counters<6>,
}

impl Agents {
    /// Counts a hello of a known agent.
    pub fn count_returning(&self) {
        self.returning.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a closed WebSocket. `code` is `None` if the connection ended without a close frame.
    pub fn count_close(&self, by: ClosedBy, code: Option<u16>) {
        let counters = match by {
            ClosedBy::Service => &self.closed_by_service,
            ClosedBy::Agent => &self.closed_by_agent,
        };
        let none = CLOSES.len() - 1;
        counters.add(code.map_or(none, |code| index(&CLOSES[..none], code)), 1);
    }

    /// Counts a negative acknowledgement.
    pub fn count_nack(&self, code: u16) {
        self.nacks.add(index(&NACK_CODES, code), 1);
    }

    pub(super) fn encode(
        &self,
        out: &mut Exposition<'_>,
        registry: &SessionRegistry,
        broadcasts: &Broadcasts,
    ) -> fmt::Result {
        let transports = || TransportKind::ALL.into_iter();
        out.gauges(
            "sessions",
            "Open sessions, by transport: rfc8030 and legacy use server push, events server-sent events, autopush a WebSocket, \
             chromium an MCS connection.",
            "protocol",
            transports().map(|transport| (transport.as_str(), registry.session_count(transport))),
        )?;
        out.counters(
            "sessions_opened",
            "Sessions opened, by transport.",
            "protocol",
            transports().map(|transport| (transport.as_str(), registry.opened_count(transport))),
        )?;
        out.counter(
            "agents_returned",
            "WebSocket agents that reconnected with a known uaid.",
            self.returning.load(Ordering::Relaxed),
        )?;
        out.table(
            "websocket_closes",
            "WebSockets closed, by the closing side and the close code; none means without a close frame.",
            ["by", "code"],
            self.closed_by_service.row("service", CLOSES).chain(self.closed_by_agent.row("agent", CLOSES)),
        )?;
        out.counters(
            "agent_complaints",
            "Messages rejected by autopush agents, by code: 101 and 301 decryption failed, 102 and 302 delivery to the page \
             failed, 303 other reason.",
            "code",
            self.nacks.labeled(NACK_CODES),
        )?;
        out.gauge("broadcasts", "Broadcasts with a version.", broadcasts.versions().len() as u64)?;
        out.counter(
            "broadcast_changes",
            "Changes of the broadcast versions, including the one at startup.",
            u64::from(broadcasts.generation()),
        )
    }
}

/// Returns the index of a code in `names`, whose last one stands for all others.
fn index(names: &[&str], code: u16) -> usize {
    let last = names.len() - 1;
    names[..last].iter().position(|name| name.parse() == Ok(code)).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_codes_count_as_other() {
        let agents = Agents::default();
        for (code, name) in
            [(Some(1000), "1000"), (Some(1013), "1013"), (Some(4000), "other"), (None, "none")]
        {
            agents.count_close(ClosedBy::Agent, code);
            assert!(agents.closed_by_agent.labeled(CLOSES).any(|one| one == (name, 1)), "{name}");
        }
        assert!(agents.closed_by_service.labeled(CLOSES).all(|(_, number)| number == 0));
        for (code, name) in [(101, "101"), (303, "303"), (7, "other")] {
            agents.count_nack(code);
            assert!(agents.nacks.labeled(NACK_CODES).any(|one| one == (name, 1)), "{name}");
        }
    }
}
