//! Agents and senders, which outlive the processes of the server.

mod agent;
mod events;
mod sender;

use super::history::{History, Promise, ReadKind};
use super::http::{Connection, Response};
use crate::disk::Disk;
use agent::Agent;
use anyhow::{Context as _, bail};
use sender::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use webpush_store::simulation::Random;

const AGENTS: usize = 3;
const SENDERS: usize = 3;
/// Pause after 503.
const RETRY: Duration = Duration::from_millis(20);
/// A server that returns 503 for longer, although its disk works, does not recover.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// The clients of a service, and what they saw.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    agents: Vec<Agent>,
    /// Push paths, by agent.
    pushes: Mutex<Vec<Vec<String>>>,
    /// Paths of receipt subscriptions, by sender, once they are known.
    receipts: Mutex<Vec<Option<String>>>,
    history: Mutex<History>,
}

/// Work for the clients while a server runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload<'a> {
    /// The port of the server.
    pub(crate) port: u16,
    /// The disk; clients stop when its power is cut.
    pub(crate) disk: &'a Disk,
    /// Messages of each sender.
    pub(crate) messages: u64,
    /// Determines the messages and the acknowledgements of each client.
    pub(crate) seed: u64,
    /// True if the server may go down, which ends the work of a client.
    pub(crate) may_fail: bool,
}

impl Workload<'_> {
    /// Returns `Ok` for an error that a power cut or a fault explains.
    fn excuse(&self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        // A process that is being killed may close connections before the clients can see that the power is cut.
        if result.is_err() && (self.may_fail || self.disk.wait_for_cut(Duration::from_secs(1))) {
            return Ok(());
        }
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clients {
    /// Returns the history.
    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// Returns true if all agents are subscribed.
    #[must_use]
    pub(crate) const fn are_set_up(&self) -> bool {
        self.agents.len() >= AGENTS
    }

    /// Subscribes the agents that are missing. A power cut ends that early.
    ///
    /// # Errors
    /// Fails if the server refuses.
    pub(crate) fn set_up(&mut self, work: Workload<'_>) -> anyhow::Result<()> {
        let result = self.subscribe_all(work.port);
        work.excuse(result)
    }

    fn subscribe_all(&mut self, port: u16) -> anyhow::Result<()> {
        let mut connection = Connection::open(port)?;
        while self.agents.len() < AGENTS {
            let response = connection.request("POST", "/subscribe", &[], b"")?;
            let (agent, push) = Agent::from_response(&response)?;
            self.agents.push(agent);
            lock(&self.pushes).push(vec![push]);
        }
        lock(&self.receipts).resize(SENDERS, None);
        Ok(())
    }

    /// Sends, receives and acknowledges at the same time, until all is sent or the power is cut.
    ///
    /// # Errors
    /// Fails if a client gets a response that the server should not give.
    pub(crate) fn work(&self, work: Workload<'_>) -> anyhow::Result<()> {
        thread::scope(|scope| {
            let senders = (0..SENDERS).map(|number| {
                let seed = work.seed ^ (number as u64 + 1) << 32;
                let sender = Sender { number, clients: self, work, random: Random::new(seed) };
                scope.spawn(move || work.excuse(sender.run()))
            });
            let agents = (0..self.agents.len()).map(|number| {
                let random = Random::new(work.seed ^ (number as u64 + 1) << 40);
                scope.spawn(move || work.excuse(self.receive(number, work, random)))
            });
            let handles: Vec<_> = senders.chain(agents).collect();
            handles.into_iter().try_for_each(|handle| match handle.join() {
                Ok(result) => result,
                Err(_) => bail!("a client panicked"),
            })
        })
    }

    /// Reads everything while nothing else happens, and compares it with the history.
    ///
    /// # Errors
    /// Fails if the server does not serve reads after a while. Broken promises are in the history.
    pub(crate) fn check(&self, port: u16) -> anyhow::Result<()> {
        let mut connection = Connection::open(port)?;
        for (number, agent) in self.agents.iter().enumerate() {
            let began = self.history().begin_read();
            let response = patiently(|| agent.fetch(&mut connection))?;
            let Some(deliveries) = agent::deliveries(&response)? else {
                let text = format!("agent {number}: its inbox got {}", response.status);
                self.history().violations.push((Promise::Lost, text));
                continue;
            };
            self.history().read(number, began, &deliveries, ReadKind::Quiet);
        }
        for (number, path) in lock(&self.receipts).clone().into_iter().enumerate() {
            let Some(path) = path else { continue };
            let response = patiently(|| events::fetch(&mut connection, &path))?;
            let Some(receipts) = sender::receipts(&response)? else {
                let text = format!("a receipt subscription got {}", response.status);
                self.history().violations.push((Promise::Lost, text));
                continue;
            };
            self.history().read_receipts(number, &receipts, true);
        }
        Ok(())
    }

    /// Reads all inboxes of a damaged store; returns the number of messages that are missing, at least.
    ///
    /// # Errors
    /// Fails if the server is gone.
    pub(crate) fn check_damaged(&self, port: u16) -> anyhow::Result<usize> {
        let mut connection = Connection::open(port)?;
        let mut missing = 0;
        for (number, agent) in self.agents.iter().enumerate() {
            let response = agent.fetch(&mut connection)?;
            let deliveries = agent::deliveries(&response)?.unwrap_or_default();
            let mut history = self.history();
            let intact = history.read_damaged(number, &deliveries);
            missing += history.pending(number).saturating_sub(intact);
        }
        Ok(missing)
    }

    /// Returns true if the first agent is known to the server.
    ///
    /// # Errors
    /// Fails if the server is gone.
    pub(crate) fn is_known(&self, port: u16) -> anyhow::Result<bool> {
        let agent = self.agents.first().context("no agent")?;
        let response = patiently(|| agent.fetch(&mut Connection::open(port)?))?;
        Ok(response.status != 404)
    }

    /// Waits until the server accepts messages again.
    ///
    /// # Errors
    /// Fails if it does not, or is gone.
    pub(crate) fn wait_until_accepting(&self, port: u16) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut connection = Connection::open(port)?;
        while !sender::probe(self, &mut connection)? {
            if begun.elapsed() > RECOVERY_LIMIT {
                bail!("the server still refuses messages after {RECOVERY_LIMIT:?}, although its disk works");
            }
            thread::sleep(RETRY);
        }
        Ok(())
    }
}

/// Repeats a read while it gets 503.
fn patiently(mut request: impl FnMut() -> anyhow::Result<Response>) -> anyhow::Result<Response> {
    let begun = Instant::now();
    loop {
        let response = request()?;
        if response.status != 503 {
            return Ok(response);
        }
        if begun.elapsed() > RECOVERY_LIMIT {
            bail!("reads still get 503 after {RECOVERY_LIMIT:?}");
        }
        thread::sleep(RETRY);
    }
}
