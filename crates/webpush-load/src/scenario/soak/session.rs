//! The agents of each protocol behind one interface.

use super::World;
use crate::autopush::{Agent, member};
use crate::body::{self, Stamp, uuid};
use crate::chromium::{Device, Mcs};
use crate::dial::Dialer;
use crate::h2_client::{Client, read};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::StatusCode;
use std::future::poll_fn;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use webpush_client::event_stream::{EventReader, StreamEvent};

/// Messages that a reader may have ahead of its agent.
const READ_AHEAD: usize = 64;
const WINDOW: u32 = 65_535;
const EVENTS: &[(&str, &str)] = &[("accept", "text/event-stream")];

/// How an agent receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Autopush,
    ServerPush,
    Events,
    Chromium,
}

/// An agent while it is away: its name, and its subscription.
pub(super) enum Subscriber {
    Autopush { name: Option<String>, channel: String },
    Http { protocol: Protocol, resource: String },
    Chromium { device: Device, scope: String },
}

/// A connected agent.
pub(super) enum Session {
    Autopush(Box<Agent>),
    Http(HttpSession),
    Chromium(Box<Mcs>),
}

/// A request that receives messages until it ends.
pub(super) struct HttpSession {
    client: Client,
    messages: mpsc::Receiver<(Option<Stamp>, String)>,
    _reader: JoinSet<anyhow::Result<()>>,
}

/// Server-sent events of a resource. Dropping it ends the request.
pub(super) struct Events {
    events: mpsc::Receiver<StreamEvent>,
    _reader: JoinSet<()>,
}

impl Events {
    /// Returns the next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<StreamEvent> {
        self.events.recv().await
    }
}

/// How one message is acknowledged.
pub(super) enum Acknowledgement {
    /// This text on the WebSocket.
    Text(String),
    /// `DELETE` of this URL.
    Url(String),
    /// The number of a frame.
    Frame(u64),
}

impl Subscriber {
    /// Creates an agent with a subscription; returns the push URL.
    pub(super) async fn create(protocol: Protocol, world: &World) -> anyhow::Result<(Self, String)> {
        let number = world.next_number();
        match protocol {
            Protocol::Autopush => {
                let (mut agent, channel) = (Agent::hello(&world.dialer, None).await?, uuid(number));
                let endpoint = agent.register(&channel).await?;
                let name = Some(agent.name.clone());
                agent.leave().await;
                Ok((Self::Autopush { name, channel }, endpoint))
            }
            Protocol::ServerPush | Protocol::Events => {
                let client = Client::connect(&world.dialer, WINDOW).await?;
                let (resource, endpoint) = subscribe(&client).await?;
                Ok((Self::Http { protocol, resource }, endpoint))
            }
            Protocol::Chromium => {
                let client = Client::connect(&world.dialer, WINDOW).await?;
                let (device, scope) = (Device::check_in(&client).await?, scope(number));
                let token = device.register(&client, &scope, &world.key).await?;
                Ok((Self::Chromium { device, scope }, push_url(&world.dialer, &token)))
            }
        }
    }

    /// Replaces the subscription by a new one while the agent is connected; returns the new push URL.
    pub(super) async fn replace(&mut self, session: &mut Session, world: &World) -> anyhow::Result<String> {
        let number = world.next_number();
        match (self, session) {
            (Self::Autopush { channel, .. }, Session::Autopush(agent)) => {
                agent.unregister(channel).await?;
                *channel = uuid(number);
                agent.register(channel).await
            }
            (Self::Http { resource, .. }, Session::Http(session)) => {
                session.client.must("DELETE", resource, &[], Bytes::new()).await?;
                let (new, endpoint) = subscribe(&session.client).await?;
                *resource = new;
                Ok(endpoint)
            }
            (Self::Chromium { device, scope: old }, _) => {
                let client = Client::connect(&world.dialer, WINDOW).await?;
                device.unregister(&client, old, &world.key).await?;
                *old = scope(number);
                let token = device.register(&client, old, &world.key).await?;
                Ok(push_url(&world.dialer, &token))
            }
            _ => anyhow::bail!("the session is not of this agent"),
        }
    }
}

impl Session {
    /// Connects.
    pub(super) async fn open(subscriber: &Subscriber, world: &World) -> anyhow::Result<Self> {
        match subscriber {
            Subscriber::Autopush { name, .. } => {
                Ok(Self::Autopush(Box::new(Agent::hello(&world.dialer, name.as_deref()).await?)))
            }
            Subscriber::Http { protocol, resource } => {
                let client = Client::connect(&world.dialer, WINDOW).await?;
                let (to, messages) = mpsc::channel(READ_AHEAD);
                let (mut reader, reading) = (JoinSet::new(), client.clone());
                let resource = resource.clone();
                match protocol {
                    Protocol::Events => {
                        let mut events = events(&client, &resource).await?;
                        reader.spawn(async move {
                            while let Some(event) = events.next().await {
                                let stamp = member(&event.data, "body").and_then(body::stamp_of_base64);
                                let url = member(&event.data, "url").unwrap_or_default().to_owned();
                                to.send((stamp, url)).await?;
                            }
                            Ok(())
                        });
                    }
                    _ => drop(reader.spawn(async move { read_pushes(&reading, &resource, to).await })),
                }
                Ok(Self::Http(HttpSession { client, messages, _reader: reader }))
            }
            Subscriber::Chromium { device, .. } => {
                Ok(Self::Chromium(Box::new(Mcs::log_in(world.mcs, *device).await?)))
            }
        }
    }

    /// Returns the next message. Cancel safe.
    pub(super) async fn next(&mut self) -> anyhow::Result<(Option<Stamp>, Acknowledgement)> {
        match self {
            Self::Autopush(agent) => {
                let (stamp, text) = agent.notification().await?;
                Ok((stamp, Acknowledgement::Text(text)))
            }
            Self::Http(session) => {
                let (stamp, url) = session.messages.recv().await.context("the request has ended")?;
                Ok((stamp, Acknowledgement::Url(url)))
            }
            Self::Chromium(mcs) => {
                let (body, frame) = mcs.message().await?;
                Ok((body::stamp(&body), Acknowledgement::Frame(frame)))
            }
        }
    }

    /// Acknowledges a message. Returns true if the server has confirmed that.
    pub(super) async fn acknowledge(&mut self, acknowledgement: &Acknowledgement) -> anyhow::Result<bool> {
        match (self, acknowledgement) {
            (Self::Autopush(agent), Acknowledgement::Text(text)) => agent.confirm(text).await.map(|()| false),
            (Self::Http(session), Acknowledgement::Url(url)) => {
                let answer = session.client.ask("DELETE", url, &[], Bytes::new()).await?;
                let status = answer.status;
                // One with a short TTL may have expired meanwhile.
                let is_known = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_FOUND);
                ensure!(is_known, "an acknowledgement returned {status}");
                Ok(status == StatusCode::NO_CONTENT)
            }
            (Self::Chromium(mcs), Acknowledgement::Frame(number)) => {
                mcs.acknowledge(*number).await.map(|()| false)
            }
            _ => anyhow::bail!("the acknowledgement is not of this session"),
        }
    }

    /// Disconnects, cleanly if the protocol has a way to do that.
    pub(super) async fn leave(self) {
        if let Self::Autopush(agent) = self {
            agent.leave().await;
        }
    }
}

/// Returns the events of a resource until they end.
pub(super) async fn events(client: &Client, resource: &str) -> anyhow::Result<Events> {
    let (response, _) = client.begin("GET", resource, EVENTS, false).await?;
    let (status, mut body) = {
        let response = response.await?;
        (response.status(), response.into_body())
    };
    ensure!(status.is_success(), "a request for events returned {status}");
    let (to, events) = mpsc::channel(READ_AHEAD);
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut reader = EventReader::default();
        // Ends with the stream or the connection.
        while let Some(Ok(part)) = body.data().await {
            reader.add(&part);
            while let Ok(Some(event)) = reader.next_event() {
                if to.send(event).await.is_err() {
                    return;
                }
            }
            if body.flow_control().release_capacity(part.len()).is_err() {
                return;
            }
        }
    });
    Ok(Events { events, _reader: reading })
}

/// Reads pushed messages in the order of their promises.
async fn read_pushes(
    client: &Client,
    resource: &str,
    to: mpsc::Sender<(Option<Stamp>, String)>,
) -> anyhow::Result<()> {
    let (mut response, _) = client.begin("GET", resource, &[], false).await?;
    let mut promises = response.push_promises();
    while let Some(promise) = poll_fn(|cx| promises.poll_push_promise(cx)).await {
        let (request, response) = promise?.into_parts();
        let body = read(response.await?.into_body()).await?;
        to.send((body::stamp(&body), request.uri().to_string())).await?;
    }
    Ok(())
}

/// Subscribes (RFC 8030 §4); returns the subscription and the push URL.
async fn subscribe(client: &Client) -> anyhow::Result<(String, String)> {
    let answer = client.must("POST", "/subscribe", &[], Bytes::new()).await?;
    Ok((answer.location()?.to_owned(), answer.link("urn:ietf:params:push")?.to_owned()))
}

fn scope(number: u64) -> String {
    format!("http%3A%2F%2Flocalhost%2F%23{}", uuid(number))
}

fn push_url(dialer: &Dialer, token: &str) -> String {
    format!("{}/push/{token}", dialer.origin())
}
