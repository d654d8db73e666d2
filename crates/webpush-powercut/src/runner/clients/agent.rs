//! An agent: it fetches its messages, acknowledges some, and subscribes now and then.

use super::{Clients, RETRY, Workload, events, lock};
use crate::runner::history::{Delivery, Promise, ReadKind};
use crate::runner::http::{Connection, Response, path_of};
use anyhow::{Context as _, bail};
use std::thread;
use webpush_store::simulation::Random;

const SET: &str = "urn:ietf:params:push:set";
/// Requests for the content of an inbox in one run.
const ROUNDS: u32 = 12;

/// An agent. Its subscriptions are in one set.
#[derive(Debug)]
pub(super) struct Agent {
    set: String,
}

impl Agent {
    /// Reads the response to a subscribe request; returns the agent and its push path.
    pub(super) fn from_response(response: &Response) -> anyhow::Result<(Self, String)> {
        if response.status != 201 {
            bail!("a subscribe request got {}", response.status);
        }
        let push = response.link("urn:ietf:params:push").context("no push link")?;
        Ok((Self { set: response.link(SET).context("no link to a set")? }, push))
    }

    pub(super) fn fetch(&self, connection: &mut Connection) -> anyhow::Result<Response> {
        events::fetch(connection, &self.set)
    }
}

/// Returns the messages in a response; none if the agent is unknown or the server down.
pub(super) fn deliveries(response: &Response) -> anyhow::Result<Option<Vec<Delivery>>> {
    let Some(events) = events::events(response)? else { return Ok(None) };
    let messages = events.iter().filter(|event| event.name == "message");
    let delivery =
        |event: &events::Event| Ok(Delivery { path: path_of(&event.id), body: events::body(event)? });
    messages.map(delivery).collect::<anyhow::Result<_>>().map(Some)
}

impl Clients {
    pub(super) fn receive(
        &self,
        number: usize,
        work: Workload<'_>,
        mut random: Random,
    ) -> anyhow::Result<()> {
        let agent = &self.agents[number];
        let mut connection = Connection::open(work.port)?;
        // A read that takes an inbox for empty proves little, so agents keep more than they acknowledge.
        let one_in = 2 + random.below(3);
        for _ in 0..ROUNDS {
            if work.disk.is_cut() {
                return Ok(());
            }
            if random.one_in(20) {
                self.subscribe(number, &mut connection)?;
            }
            let began = self.history().begin_read();
            let response = agent.fetch(&mut connection)?;
            let Some(deliveries) = deliveries(&response)? else {
                if response.status == 404 {
                    let text = format!("agent {number}: its inbox got 404");
                    self.history().violations.push((Promise::Lost, text));
                }
                thread::sleep(RETRY);
                continue;
            };
            let kind = if work.may_fail { ReadKind::Partial } else { ReadKind::Complete };
            self.history().read(number, began, &deliveries, kind);
            for delivery in deliveries {
                if work.disk.is_cut() {
                    return Ok(());
                }
                if random.one_in(one_in) {
                    self.history().acknowledge(&delivery.path);
                    let response = connection.request("DELETE", &delivery.path, &[], b"")?;
                    self.history().acknowledged(&delivery.path, response.status);
                }
            }
        }
        Ok(())
    }

    fn subscribe(&self, number: usize, connection: &mut Connection) -> anyhow::Result<()> {
        let set = format!("<{}>; rel=\"{SET}\"", self.agents[number].set);
        let response = connection.request("POST", "/subscribe", &[("Link", &set)], b"")?;
        if response.status == 201 {
            let (_, push) = Agent::from_response(&response)?;
            lock(&self.pushes)[number].push(push);
        }
        Ok(())
    }
}
