//! Application servers: messages of all kinds, and their receipts.

use super::World;
use super::expectations::Duty;
use super::session::events;
use crate::autopush::member;
use crate::body::{self, Sizes, Stamp};
use crate::h2_client::Client;
use crate::post::{Http1, Push};
use crate::random::Random;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Senders. Each has agents of its own, so that messages with a topic have an order.
pub(super) const SENDERS: usize = 8;
/// Messages on a connection before the sender opens another.
const MESSAGES_PER_CONNECTION: u64 = 500;
const WINDOW: u32 = 65_535;
/// Topics of each subscription.
const TOPICS: usize = 3;
const RECEIPT: &str = "urn:ietf:params:push:receipt";

/// The kinds of messages, with their percentages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// TTL of an hour.
    Plain,
    /// Replaces another one.
    Topic,
    /// TTL of two seconds.
    Short,
    /// TTL 0.
    Now,
    /// Owes a receipt.
    Receipt,
    /// Owes a receipt, and may expire after two seconds.
    ShortReceipt,
}

const KINDS: [(usize, Kind); 6] = [
    (55, Kind::Plain),
    (70, Kind::Topic),
    (80, Kind::Short),
    (86, Kind::Now),
    (95, Kind::Receipt),
    (100, Kind::ShortReceipt),
];

struct Sender {
    world: Arc<World>,
    number: usize,
    random: Random,
    /// Of each other sender, as most application servers use HTTP/1.1.
    http1: Option<Http1>,
    client: Client,
    sent: u64,
    /// URL of its receipt subscription.
    receipts: Option<String>,
}

/// Sends at a rate until the run is over.
pub(super) async fn send(world: Arc<World>, number: usize, rate: f64, random: Random) -> anyhow::Result<()> {
    let client = Client::connect(&world.dialer, WINDOW).await?;
    let mut sender = Sender { world, number, random, http1: None, client, sent: 0, receipts: None };
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = ticks.tick() => sender.next().await?,
            () = sender.world.working_is_over() => return Ok(()),
        }
    }
}

impl Sender {
    /// Sends one message to one of its agents.
    async fn next(&mut self) -> anyhow::Result<()> {
        if self.sent.is_multiple_of(MESSAGES_PER_CONNECTION) {
            self.connect().await?;
        }
        self.sent += 1;
        let slots = self.world.slots.len() / SENDERS;
        let slot = self.random.below(slots) * SENDERS + self.number;
        let kind = self.kind();
        let duty = self.duty(kind);
        let world = Arc::clone(&self.world);
        // An agent that is about to subscribe anew has no endpoint.
        let Some(endpoint) = world.slot(slot)?.endpoint() else { return Ok(()) };
        let stamp = Stamp { number: world.next_number(), due: world.beginning.elapsed() };
        let mut body = Vec::new();
        body::write(&mut body, stamp, Sizes::Mixed.length(stamp.number));
        world.expectations.sending(stamp.number, endpoint.subscription, duty);
        let authorization = world.authorization.as_str();
        let (status, message) = match (&mut self.http1, kind) {
            (Some(http1), Kind::Plain | Kind::Short | Kind::Now) => {
                let ttl = kind.ttl();
                let push =
                    Push { path: &endpoint.path, authorization: Some(authorization), ttl, body: &body };
                (http1.push(&push).await?, None)
            }
            _ => self.post(kind, duty, &endpoint.path, body.into()).await?,
        };
        let latency = world.beginning.elapsed().saturating_sub(stamp.due);
        match status {
            201 | 202 => world.expectations.accepted(stamp.number, endpoint.subscription, duty, latency),
            404 | 410 => world.expectations.refused(stamp.number, endpoint.subscription),
            status => bail!("a message was refused with {status}"),
        }
        message.iter().for_each(|message| world.expectations.owes_receipt(message));
        Ok(())
    }

    async fn connect(&mut self) -> anyhow::Result<()> {
        self.client = Client::connect(&self.world.dialer, WINDOW).await?;
        if self.number % 2 == 1 {
            self.http1 = Some(Http1::connect(&self.world.dialer).await?);
        }
        Ok(())
    }

    fn kind(&mut self) -> Kind {
        let chance = self.random.below(100);
        KINDS.into_iter().find(|(below, _)| chance < *below).map_or(Kind::Plain, |(_, kind)| kind)
    }

    fn duty(&mut self, kind: Kind) -> Duty {
        match kind {
            Kind::Plain | Kind::Receipt => Duty::Deliver,
            Kind::Topic => Duty::Replace { topic: self.random.below(TOPICS) },
            Kind::Short | Kind::Now | Kind::ShortReceipt => Duty::Expire,
        }
    }

    /// Returns the status, and the URL of a message that owes a receipt.
    async fn post(
        &mut self,
        kind: Kind,
        duty: Duty,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(u16, Option<String>)> {
        let (ttl, world) = (kind.ttl().to_string(), Arc::clone(&self.world));
        let topic = if let Duty::Replace { topic } = duty { Some(format!("topic-{topic}")) } else { None };
        let link = self.receipts.as_ref().map(|url| format!("<{url}>; rel=\"{RECEIPT}\""));
        let mut headers = vec![
            ("ttl", ttl.as_str()),
            ("content-encoding", "aes128gcm"),
            ("authorization", world.authorization.as_str()),
        ];
        headers.extend(topic.as_deref().map(|topic| ("topic", topic)));
        if kind.owes_receipt() {
            headers.push(("prefer", "respond-async"));
            headers.extend(link.as_deref().map(|link| ("link", link)));
        }
        let answer = self.client.ask("POST", path, &headers, body).await?;
        let status = answer.status.as_u16();
        if status != 202 {
            return Ok((status, None));
        }
        if self.receipts.is_none() {
            let receipts = answer.link(RECEIPT)?.to_owned();
            let client = Client::connect(&world.dialer, WINDOW).await?;
            tokio::spawn(take_receipts(world, client, receipts.clone()));
            self.receipts = Some(receipts);
        }
        Ok((status, Some(answer.location()?.to_owned())))
    }
}

impl Kind {
    const fn ttl(self) -> u32 {
        match self {
            Self::Plain | Self::Topic | Self::Receipt => 3600,
            Self::Short | Self::ShortReceipt => 2,
            Self::Now => 0,
        }
    }

    const fn owes_receipt(self) -> bool {
        matches!(self, Self::Receipt | Self::ShortReceipt)
    }
}

/// Receives the receipts of a sender until the run is over, and acknowledges each.
async fn take_receipts(world: Arc<World>, client: Client, receipts: String) -> anyhow::Result<()> {
    let mut events = events(&client, &receipts).await?;
    loop {
        let event = tokio::select! {
            event = events.next() => event.context("a stream of receipts has ended")?,
            () = world.is_over() => return Ok(()),
        };
        let message = member(&event.data, "url").context("a receipt names no message")?;
        world.expectations.receipt(message);
        let id = event.last_id.as_deref().context("a receipt has no ID")?;
        client.must("DELETE", id, &[], Bytes::new()).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentages_are_of_a_hundred() {
        assert!(KINDS.is_sorted_by_key(|(below, _)| *below));
        assert_eq!(KINDS[KINDS.len() - 1].0, 100);
    }
}
