//! User agents: they connect, receive, acknowledge in time, late, twice or never, and leave.

mod acks;
mod autopush;
mod chromium;
mod events;
mod protobuf;
mod requests;
mod server_push;

pub(crate) use events::EventReader;
pub(crate) use server_push::{Monitor, Next};

use crate::executor::TaskOwner;
use crate::history::Event;
use crate::shared::{Shared, Target};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use webpush_core::urgency::Urgency;
use webpush_store::simulation::Random;

/// The protocol of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentProtocol {
    /// RFC 8030 by HTTP/2 server push.
    ServerPush,
    /// RFC 8030 by server-sent events.
    Events,
    /// autopush, as Firefox speaks it.
    Autopush,
    /// MCS, as Chromium speaks it.
    Chromium,
}

impl AgentProtocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ServerPush, Self::Events, Self::Autopush, Self::Chromium];

    /// Returns its name in histories.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerPush => "server-push",
            Self::Events => "events",
            Self::Autopush => "autopush",
            Self::Chromium => "chromium",
        }
    }
}

/// A user agent, with what it keeps when its process ends.
pub struct Agent {
    /// Its number.
    pub number: usize,
    /// Its protocol.
    pub protocol: AgentProtocol,
    /// How many subscriptions it wants.
    wanted: usize,
    random: RefCell<Random>,
    subscriptions: RefCell<Vec<AgentSubscription>>,
    /// The `uaid`, the credentials of a device, or the path of the subscription set.
    identity: RefCell<Option<String>>,
    /// The last event that it has received.
    last_event: RefCell<Option<String>>,
    /// Chromium: messages that it has received, and whose acknowledgement is not confirmed.
    unconfirmed: RefCell<Vec<(u32, String)>>,
    /// The open connection.
    connection: Cell<Option<u32>>,
}

/// A subscription as its agent knows it.
#[derive(Clone)]
struct AgentSubscription {
    number: u32,
    /// The channel ID, the subtype, or the path of the subscription.
    name: String,
    /// The path of its push URL.
    push: String,
}

impl Agent {
    /// Creates an agent that has never connected.
    #[must_use]
    pub fn new(number: usize, protocol: AgentProtocol, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            number,
            protocol,
            wanted: 1 + random.index(2),
            random: RefCell::new(random),
            subscriptions: RefCell::default(),
            identity: RefCell::default(),
            last_event: RefCell::default(),
            unconfirmed: RefCell::default(),
            connection: Cell::new(None),
        }
    }

    /// Starts the process of the agent.
    pub fn start(self: &Rc<Self>, shared: &Rc<Shared>) {
        let (agent, shared_state) = (Rc::clone(self), Rc::clone(shared));
        shared.executor.spawn(TaskOwner::Agent(self.number), async move { agent.run(&shared_state).await });
    }

    /// Ends it without warning.
    pub fn kill(&self, shared: &Shared) {
        shared.executor.kill(TaskOwner::Agent(self.number));
        self.end_connection(shared);
    }

    async fn run(self: Rc<Self>, shared: &Rc<Shared>) {
        loop {
            let is_settling = shared.is_settling.get();
            let away = if is_settling { 1000 } else { self.millis(&[200, 5_000, 600_000]) };
            let back = Instant::now() + Duration::from_millis(away);
            shared.returns.borrow_mut().insert(self.number, back);
            sleep_until(back).await;
            shared.returns.borrow_mut().remove(&self.number);
            let Some(node) = shared.node(&mut self.random.borrow_mut()) else { continue };
            let stays = if is_settling { 100_000_000 } else { self.millis(&[500, 30_000, 900_000]) };
            let end = Instant::now() + Duration::from_millis(stays);
            // Each ends with `None` if the connection is lost.
            let _: Option<()> = match self.protocol {
                AgentProtocol::ServerPush => server_push::session(&self, shared, node, end).await,
                AgentProtocol::Events => events::session(&self, shared, node, end).await,
                AgentProtocol::Autopush => autopush::session(&self, shared, node, end).await,
                AgentProtocol::Chromium => chromium::session(&self, shared, node, end).await,
            };
            self.end_connection(shared);
        }
    }

    /// Returns a random time below one of these bounds.
    fn millis(&self, bounds: &[u64]) -> u64 {
        let mut random = self.random.borrow_mut();
        let bound = bounds[random.index(bounds.len())];
        1 + random.below(bound)
    }

    fn one_in(&self, of: u64) -> bool {
        self.random.borrow_mut().one_in(of)
    }

    /// Returns the minimum urgency for a session.
    fn choose_urgency(&self, shared: &Shared) -> Urgency {
        if shared.is_settling.get() || !self.one_in(5) {
            return Urgency::VeryLow;
        }
        let index = self.random.borrow_mut().index(Urgency::ALL.len());
        Urgency::ALL[index]
    }

    fn begin_connection(&self, shared: &Shared, urgency: Urgency) -> u32 {
        let connection = shared.new_connection();
        self.connection.set(Some(connection));
        let (protocol, urgency) = (self.protocol.as_str(), urgency as usize);
        shared.record(&Event::Connect { a: self.number, c: connection, protocol, urgency });
        connection
    }

    fn end_connection(&self, shared: &Shared) {
        if let Some(c) = self.connection.take() {
            shared.record(&Event::Disconnect { c });
        }
    }

    /// Records a message that has arrived.
    fn receive(&self, shared: &Shared, c: u32, body: &[u8], subscription: Option<u32>) -> u32 {
        let m = crate::body::message(body);
        shared.record(&Event::Deliver { c, m, s: subscription });
        m
    }

    fn subscribed(&self, shared: &Shared, name: String, push: String) {
        let number = shared.new_subscription();
        shared.record(&Event::Subscribed { a: self.number, s: number });
        let is_restricted = self.protocol == AgentProtocol::Chromium;
        let (agent, subscription) = (self.number, number);
        let target = Target { agent, subscription, push: push.clone(), is_restricted };
        shared.targets.borrow_mut().push(target);
        self.subscriptions.borrow_mut().push(AgentSubscription { number, name, push });
    }

    fn find(&self, is_it: impl Fn(&AgentSubscription) -> bool) -> Option<u32> {
        self.subscriptions.borrow().iter().find(|subscription| is_it(subscription)).map(|found| found.number)
    }

    fn lacks_subscription(&self) -> bool {
        self.subscriptions.borrow().len() < self.wanted
    }

    /// Takes a subscription that the agent wants to remove.
    fn unwanted(&self, shared: &Shared) -> Option<AgentSubscription> {
        if shared.is_settling.get() || !self.one_in(12) {
            return None;
        }
        let mut subscriptions = self.subscriptions.borrow_mut();
        let index = self.random.borrow_mut().index(subscriptions.len());
        let unwanted = (!subscriptions.is_empty()).then(|| subscriptions.remove(index))?;
        shared.record(&Event::Unsubscribe { s: unwanted.number });
        Some(unwanted)
    }

    /// Begins anew after the service has said that it does not know the agent.
    fn forget(&self, shared: &Shared) {
        if !self.subscriptions.borrow().is_empty() {
            shared.record(&Event::Forgotten { a: self.number });
        }
        self.subscriptions.borrow_mut().clear();
        self.unconfirmed.borrow_mut().clear();
        (*self.identity.borrow_mut(), *self.last_event.borrow_mut()) = (None, None);
    }

    /// Returns the ID of its inbox, if it has one.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        self.identity.borrow().clone()
    }
}
