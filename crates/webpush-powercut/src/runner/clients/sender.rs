//! A sender: it sends messages of all kinds, and takes its receipts.

use super::{Clients, RETRY, Workload, events, lock};
use crate::runner::history::{MessageSpec, ReceiptEvent, body};
use crate::runner::http::{Connection, Response, path_of};
use anyhow::{Context as _, bail};
use std::thread;
use webpush_store::simulation::Random;

const RECEIPT: &str = "urn:ietf:params:push:receipt";
const URGENCIES: [&str; 4] = ["very-low", "low", "normal", "high"];
const DAY: u64 = 24 * 3600;
/// Topics of a sender.
const TOPICS: u64 = 3;
/// Longest body in bytes.
const LONGEST: u64 = 4096;
/// Messages between two looks at the receipts.
const RECEIPTS_AFTER: u64 = 8;

pub(super) struct Sender<'a> {
    pub(super) number: usize,
    pub(super) clients: &'a Clients,
    pub(super) work: Workload<'a>,
    pub(super) random: Random,
}

impl Sender<'_> {
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.work.port)?;
        for count in 1..=self.work.messages {
            if self.work.disk.is_cut() {
                return Ok(());
            }
            self.send(&mut connection)?;
            if count % RECEIPTS_AFTER == 0 {
                self.take_receipts(&mut connection)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let (clients, random) = (self.clients, &mut self.random);
        let (inbox, push) = {
            let pushes = lock(&clients.pushes);
            let inbox = random.index(pushes.len());
            let of_agent = &pushes[inbox];
            (inbox, of_agent[random.index(of_agent.len())].clone())
        };
        let has_topic = random.one_in(4);
        let wants_receipt = random.one_in(3);
        let known = lock(&clients.receipts)[self.number].clone();
        let spec = MessageSpec {
            inbox,
            push,
            topic: has_topic.then(|| format!("{}-{}", self.number, random.below(TOPICS))),
            // One that is replaced by a message that expires would be hard to judge.
            ttl: (!has_topic && random.one_in(20)).then(|| 1 + random.below(2)),
            // Without a response to the first message the sender never learns of its receipt subscription.
            receipts: (wants_receipt && known.is_some()).then_some(self.number),
            length: usize::try_from(if random.one_in(6) { random.below(LONGEST) } else { random.below(300) })
                .unwrap_or_default(),
        };
        let urgency = URGENCIES[random.index(URGENCIES.len())];
        let link = known.filter(|_| wants_receipt).map(|path| format!("<{path}>; rel=\"{RECEIPT}\""));
        let mut headers = vec![("Urgency", urgency)];
        if wants_receipt {
            headers.push(("Prefer", "respond-async"));
        }
        headers.extend(link.as_deref().map(|link| ("Link", link)));
        let message = clients.history().send(spec.clone());
        let response = post(connection, &spec, message, &headers)?;
        match response.status {
            201 | 202 => {
                let path = response.location().context("no Location")?;
                let mut history = clients.history();
                if let Some(receipts) = response.link(RECEIPT) {
                    let mut paths = lock(&clients.receipts);
                    if paths[self.number].is_none() {
                        paths[self.number] = Some(receipts);
                        history.set_receipts(message, self.number);
                    }
                }
                history.accepted(message, path);
            }
            503 => thread::sleep(RETRY),
            status @ 400..=499 => clients.history().refused(message, status),
            status => bail!("a push got {status}"),
        }
        Ok(())
    }

    fn take_receipts(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let Some(path) = lock(&self.clients.receipts)[self.number].clone() else { return Ok(()) };
        let response = events::fetch(connection, &path)?;
        let Some(receipts) = receipts(&response)? else { return Ok(()) };
        self.clients.history().read_receipts(self.number, &receipts, false);
        for receipt in receipts {
            if self.random.one_in(3) && !self.work.disk.is_cut() {
                self.clients.history().acknowledge_receipt(&receipt, None);
                let response = connection.request("DELETE", &receipt.path, &[], b"")?;
                self.clients.history().acknowledge_receipt(&receipt, Some(response.status));
            }
        }
        Ok(())
    }
}

fn post(
    connection: &mut Connection,
    spec: &MessageSpec,
    message: usize,
    headers: &[(&str, &str)],
) -> anyhow::Result<Response> {
    let ttl = spec.ttl.unwrap_or(DAY).to_string();
    let mut all = vec![("TTL", ttl.as_str())];
    all.extend(spec.topic.as_deref().map(|topic| ("Topic", topic)));
    all.extend(headers);
    connection.request("POST", &spec.push, &all, &body(message, spec.length))
}

/// Sends a message to the first agent; returns true if it was accepted.
pub(super) fn probe(clients: &Clients, connection: &mut Connection) -> anyhow::Result<bool> {
    let push = lock(&clients.pushes).first().and_then(|of_agent| of_agent.first().cloned());
    let push = push.context("no agent")?;
    let spec = MessageSpec { inbox: 0, push, topic: None, ttl: None, receipts: None, length: 20 };
    let message = clients.history().send(spec.clone());
    let response = post(connection, &spec, message, &[])?;
    match response.status {
        201 => clients.history().accepted(message, response.location().context("no Location")?),
        503 => {}
        status => clients.history().refused(message, status),
    }
    Ok(response.status == 201)
}

/// Returns the receipts in a response; none if the subscription is unknown or the server down.
pub(super) fn receipts(response: &Response) -> anyhow::Result<Option<Vec<ReceiptEvent>>> {
    let Some(events) = events::events(response)? else { return Ok(None) };
    let receipts = events.iter().filter(|event| event.name == "receipt").map(|event| {
        Ok(ReceiptEvent {
            path: path_of(&event.id),
            message: path_of(event.data["url"].as_str().context("a receipt without a URL")?),
            status: event.data["status"].as_u64().context("a receipt without a status")?,
        })
    });
    receipts.collect::<anyhow::Result<_>>().map(Some)
}
