//! The part of a run that all of its tasks share.

use crate::executor::Executor;
use crate::history::{Event, History};
use crate::network::Network;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tokio::time::Instant;
use webpush_client::vapid::VapidKey;
use webpush_store::simulation::Random;

/// The part of a run that all of its tasks share.
pub struct Shared {
    /// Runs the tasks.
    pub executor: Executor,
    /// Reaches the nodes.
    pub network: Network,
    /// Records events.
    pub history: History,
    /// The number of nodes.
    pub nodes: usize,
    /// True once agents stay connected and acknowledge everything.
    pub is_settling: Cell<bool>,
    /// Subscriptions that senders know.
    pub targets: RefCell<Vec<Target>>,
    /// Receipt subscriptions of the senders.
    pub receipt_inboxes: RefCell<Vec<String>>,
    /// Messages whose URL their sender knows, for receipts.
    pub message_urls: RefCell<BTreeMap<String, u32>>,
    /// Receipts that arrived before the response to their message.
    ///
    /// Each with its URL, the status, and its own number.
    pub early_receipts: RefCell<Vec<(String, u16, Option<u32>)>>,
    /// Receipts that have a URL of their own.
    pub receipt_urls: RefCell<BTreeMap<String, u32>>,
    /// When agents that are away will connect, by number.
    pub returns: RefCell<BTreeMap<usize, Instant>>,
    /// Signs messages to Chromium.
    pub vapid: VapidKey,
    messages: Cell<u32>,
    subscriptions: Cell<u32>,
    connections: Cell<u32>,
}

/// A subscription as a sender knows it.
#[derive(Clone)]
pub struct Target {
    /// The number of its agent.
    pub agent: usize,
    /// Its number.
    pub subscription: u32,
    /// The path of its push URL.
    pub push: String,
    /// Messages must be signed.
    pub is_restricted: bool,
}

/// A private key for tests.
const VAPID_KEY: &str = r#"{"privateKey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}"#;

impl Shared {
    /// Creates the state of a run in which nothing has happened.
    ///
    /// # Errors
    /// Fails if the key cannot be read.
    pub fn new(nodes: usize, executor: Executor, history: History) -> anyhow::Result<Self> {
        Ok(Self {
            network: Network::new(nodes, executor.clone()),
            executor,
            history,
            nodes,
            is_settling: Cell::new(false),
            targets: RefCell::default(),
            receipt_inboxes: RefCell::default(),
            message_urls: RefCell::default(),
            early_receipts: RefCell::default(),
            receipt_urls: RefCell::default(),
            returns: RefCell::default(),
            vapid: VapidKey::read(VAPID_KEY)?,
            messages: Cell::new(0),
            subscriptions: Cell::new(0),
            connections: Cell::new(0),
        })
    }

    /// Records an event.
    pub fn record(&self, event: &Event) {
        self.history.record(event);
    }

    /// Returns the number of a new message, from 1.
    pub fn new_message(&self) -> u32 {
        next(&self.messages)
    }

    /// Returns the number of a new subscription, from 1.
    pub fn new_subscription(&self) -> u32 {
        next(&self.subscriptions)
    }

    /// Returns the number of a new connection, from 1.
    pub fn new_connection(&self) -> u32 {
        next(&self.connections)
    }

    /// Returns a node that accepts connections, if there is one.
    pub fn node(&self, random: &mut Random) -> Option<usize> {
        let up: Vec<_> = (0..self.nodes).filter(|node| self.network.is_up(*node)).collect();
        up.get(random.index(up.len())).copied()
    }
}

fn next(counter: &Cell<u32>) -> u32 {
    counter.set(counter.get() + 1);
    counter.get()
}
