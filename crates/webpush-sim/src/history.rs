//! The history of a run: what clients could see, in order, as lines of JSON.
//!
//! It is all that the checker reads. Messages, subscriptions, agents and connections have numbers, because IDs and URLs
//! belong to the server.

use crate::clock::NodeClock;
use serde::Serialize;
use std::cell::RefCell;
use webpush_core::env::Clock as _;
use webpush_core::time::Timestamp;

/// An event that clients, or those who make the faults, can see.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Event {
    /// The beginning.
    Run {
        /// The seed.
        seed: u64,
        /// The kind of store.
        store: &'static str,
        /// True if the faults continue until the end.
        safety: bool,
        /// How far clocks of nodes may be off, in milliseconds.
        skew: u64,
        /// The number of messages that an inbox may have.
        quota: u64,
    },
    /// A subscription was confirmed.
    Subscribed {
        /// The agent.
        a: usize,
        /// The subscription.
        s: u32,
    },
    /// An agent asks to remove a subscription.
    Unsubscribe {
        /// The subscription.
        s: u32,
    },
    /// The result of that; 0 if there was none.
    Unsubscribed {
        /// The subscription.
        s: u32,
        /// The status.
        status: u16,
    },
    /// A sender sends a message.
    Push {
        /// The message.
        m: u32,
        /// The subscription.
        s: u32,
        /// The TTL in seconds.
        ttl: u64,
        /// The topic.
        topic: Option<u64>,
        /// The urgency, from 0 to 3.
        urgency: usize,
        /// The sender wants a receipt.
        receipt: bool,
    },
    /// The response to it; 0 if there was none.
    Answer {
        /// The message.
        m: u32,
        /// The status.
        status: u16,
        /// The TTL that was granted, in seconds, if the response names it.
        ttl: Option<u64>,
    },
    /// An agent connects.
    Connect {
        /// The agent.
        a: usize,
        /// The connection.
        c: u32,
        /// The protocol.
        protocol: &'static str,
        /// Less urgent messages are not wanted.
        urgency: usize,
    },
    /// An agent has left, or has noticed that its connection is gone.
    Disconnect {
        /// The connection.
        c: u32,
    },
    /// An agent has changed its minimum urgency.
    MinUrgency {
        /// The connection.
        c: u32,
        /// Less urgent messages are not wanted.
        urgency: usize,
    },
    /// An agent has received a message.
    Deliver {
        /// The connection.
        c: u32,
        /// The message; 0 if its body is not one that was sent.
        m: u32,
        /// The subscription that the message came from, if the protocol says it.
        s: Option<u32>,
    },
    /// An agent sends an acknowledgement.
    Ack {
        /// The connection on which the message came.
        c: u32,
        /// The message.
        m: u32,
    },
    /// The response to an acknowledgement; 0 if there was none.
    Acked {
        /// The message.
        m: u32,
        /// The status.
        status: u16,
    },
    /// The service does not know the agent any more.
    Forgotten {
        /// The agent.
        a: usize,
    },
    /// A sender has received a receipt.
    Receipt {
        /// The message.
        m: u32,
        /// The status.
        status: u16,
        /// The receipt, if the protocol names it.
        r: Option<u32>,
    },
    /// A fault begins or ends, or happens at once.
    Fault {
        /// Its name.
        kind: &'static str,
        /// True if it begins or happens, false if it ends.
        on: bool,
        /// The node or the agent.
        at: usize,
    },
    /// A store was opened, or not.
    Opened {
        /// The node.
        node: usize,
        /// The reason why it was not.
        error: Option<String>,
    },
    /// Faults have ended; agents connect, stay and acknowledge.
    Settle,
    /// Messages that are still stored for an agent at the end, without expired ones.
    Remaining {
        /// The agent.
        a: usize,
        /// Their number.
        n: usize,
    },
    /// Nothing follows.
    End,
}

/// The events of a run so far.
pub struct History {
    clock: NodeClock,
    lines: RefCell<String>,
}

impl History {
    /// Creates an empty history with the times of this clock.
    #[must_use]
    pub fn new(clock: NodeClock) -> Self {
        Self { clock, lines: RefCell::default() }
    }

    /// Adds an event.
    pub fn record(&self, event: &Event) {
        let Ok(json) = serde_json::to_string(event) else { return };
        let mut lines = self.lines.borrow_mut();
        lines.push_str(&format!("{{\"t\":{},{}\n", self.clock.elapsed().as_millis(), &json[1..]));
    }

    /// Returns the wall-clock time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns all lines, and forgets them.
    #[must_use]
    pub fn take(&self) -> String {
        std::mem::take(&mut self.lines.borrow_mut())
    }
}
