//! Requests that cost much, by work or by memory: honest senders keep a share of their rate.

use crate::audience::all;
use crate::dial::Dialer;
use crate::h2_client::{Client, finish};
use bytes::Bytes;
use clap::ValueEnum;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// Streams of each connection, the most that the server allows by default.
const STREAMS: usize = 256;
const DEFAULT_WINDOW: u32 = 65_535;
const MESSAGE: [u8; 4000] = [b'x'; 4000];
/// Messages that wait in each inbox of [`RequestAttack::Monitors`] and [`RequestAttack::Events`].
const WAITING: usize = 34;
/// Bytes of a notification for the Matrix gateway, just below its limit.
const NOTIFICATION_BYTES: usize = 58 * 1024;

/// An attack of clients on the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RequestAttack {
    /// Read the newest message of a channel beside one that holds many
    Channels,
    /// Ask for urgent messages in an inbox with many that are not
    Urgency,
    /// Have large Matrix notifications parsed
    Matrix,
    /// Let messages be pushed without a flow-control window
    Monitors,
    /// Let messages be sent as events without a flow-control window
    Events,
    /// Listen to one inbox many times
    Listeners,
    /// Begin requests with large headers and never complete them
    Headers,
    /// Let a page be sent without a flow-control window
    Pages,
}

/// An attack whose messages are stored.
pub(super) struct Prepared {
    dialer: Dialer,
    connections: usize,
    window: u32,
    /// One for each connection, in turn.
    requests: Vec<Arc<AttackRequest>>,
}

/// A request that every stream of a connection repeats.
struct AttackRequest {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Bytes,
    end: RequestEnd,
}

enum RequestEnd {
    /// The response is read.
    Read,
    /// Nothing of the response is read.
    Hold,
    /// The request is never completed.
    Unfinished,
}

impl RequestAttack {
    /// Returns its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns the number of requests that shows that it took place.
    pub(super) const fn least_requests(self) -> u64 {
        match self {
            Self::Channels | Self::Urgency | Self::Matrix => 10,
            Self::Monitors | Self::Events | Self::Listeners | Self::Headers | Self::Pages => 1000,
        }
    }

    /// Returns by how much it may make the server grow.
    ///
    /// The memory for pages is bounded by 64 MiB; the rest is for connections, streams and what the allocator keeps.
    pub(super) const fn memory_limit_mib(self) -> f64 {
        match self {
            Self::Channels | Self::Urgency => 64.0,
            Self::Matrix => 96.0,
            Self::Monitors | Self::Events | Self::Listeners | Self::Headers | Self::Pages => 256.0,
        }
    }

    /// Stores the messages that it needs.
    pub(super) async fn prepare(self, dialer: &Dialer) -> anyhow::Result<Prepared> {
        let client = Client::connect(dialer, DEFAULT_WINDOW).await?;
        let (connections, window) = match self {
            Self::Channels | Self::Urgency | Self::Matrix => (4, DEFAULT_WINDOW),
            Self::Monitors | Self::Events | Self::Headers | Self::Pages => (40, 0),
            Self::Listeners => (20, 0),
        };
        let get = |url: String, headers: &[_], end| AttackRequest {
            method: "GET",
            url,
            headers: headers.to_vec(),
            body: Bytes::new(),
            end,
        };
        let requests = match self {
            Self::Channels => {
                vec![get(quiet_channel(&client).await?, &[], RequestEnd::Read)]
            }
            Self::Urgency => {
                let inbox = inbox(&client, 20_000, 200).await?;
                vec![get(inbox, &[("urgency", "high"), ("prefer", "wait=0")], RequestEnd::Read)]
            }
            Self::Matrix => vec![AttackRequest {
                method: "POST",
                url: "/_matrix/push/v1/notify".to_owned(),
                headers: vec![("content-type", "application/json")],
                body: notification(),
                end: RequestEnd::Read,
            }],
            Self::Monitors | Self::Events => {
                let headers: &[_] = match self {
                    Self::Events => &[("accept", "text/event-stream")],
                    _ => &[],
                };
                let mut requests = Vec::new();
                for _ in 0..connections {
                    requests.push(get(
                        inbox(&client, WAITING, MESSAGE.len()).await?,
                        headers,
                        RequestEnd::Hold,
                    ));
                }
                requests
            }
            Self::Listeners => {
                vec![get(inbox(&client, WAITING, MESSAGE.len()).await?, &[], RequestEnd::Hold)]
            }
            Self::Headers => vec![AttackRequest {
                method: "POST",
                url: "/nowhere".to_owned(),
                // Sent as one byte each, and expanded by the server.
                headers: vec![("x-header", "with a value"); 480],
                body: Bytes::new(),
                end: RequestEnd::Unfinished,
            }],
            Self::Pages => vec![get("/errors".to_owned(), &[], RequestEnd::Hold)],
        };
        let requests = requests.into_iter().map(Arc::new).collect();
        Ok(Prepared { dialer: dialer.clone(), connections, window, requests })
    }
}

impl Prepared {
    /// Starts the attackers, who end when the set is dropped. They count their requests.
    pub(super) async fn begin(&self, count: &Arc<AtomicU64>) -> anyhow::Result<JoinSet<()>> {
        let mut attackers = JoinSet::new();
        for request in self.requests.iter().cycle().take(self.connections) {
            let client = Client::connect(&self.dialer, self.window).await?;
            let (dialer, window) = (self.dialer.clone(), self.window);
            attackers.spawn(attack(client, dialer, window, Arc::clone(request), Arc::clone(count)));
        }
        Ok(attackers)
    }
}

/// Repeats a request on all streams of a connection, and connects again when the server closes it.
async fn attack(
    mut client: Client,
    dialer: Dialer,
    window: u32,
    request: Arc<AttackRequest>,
    count: Arc<AtomicU64>,
) {
    loop {
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let (client, request, count) = (client.clone(), Arc::clone(&request), Arc::clone(&count));
            streams.spawn(async move { while request.perform(&client, &count).await.is_ok() {} });
        }
        // All end with the connection.
        while streams.join_next().await.is_some() {}
        let Ok(next) = Client::connect(&dialer, window).await else { return };
        client = next;
    }
}

impl AttackRequest {
    /// Performs the request once.
    ///
    /// An error is the end of the connection; that the server refuses a stream is none.
    async fn perform(&self, client: &Client, count: &AtomicU64) -> anyhow::Result<()> {
        let Self { method, url, headers, body, end } = self;
        match end {
            RequestEnd::Read => {
                let begun = client.begin(method, url, headers, !body.is_empty()).await?;
                // Not at its end: searches that take turns all end at once, perhaps later than the attack.
                count.fetch_add(1, Ordering::Relaxed);
                finish(begun, body.clone()).await?;
            }
            RequestEnd::Hold | RequestEnd::Unfinished => {
                let has_body = matches!(end, RequestEnd::Unfinished);
                let (response, _stream) = client.begin(method, url, headers, has_body).await?;
                count.fetch_add(1, Ordering::Relaxed);
                if let Ok(_held) = response.await {
                    std::future::pending::<()>().await;
                }
            }
        }
        Ok(())
    }
}

/// Creates a subscription with unimportant messages; returns its URL.
async fn inbox(client: &Client, messages: usize, bytes: usize) -> anyhow::Result<String> {
    let subscribed = client.must("POST", "/subscribe", &[], Bytes::new()).await?;
    let push = subscribed.link("urn:ietf:params:push")?.to_owned();
    send(client, "POST", &push, &[("ttl", "3600"), ("urgency", "low")], messages, bytes).await?;
    Ok(subscribed.location()?.to_owned())
}

/// Creates a device with two channels, one of which has many messages. Returns the URL of the other.
async fn quiet_channel(client: &Client) -> anyhow::Result<String> {
    const CHANNELS: &str = "urn:ietf:params:push:sub";
    let device = client.must("POST", "/devices", &[], Bytes::new()).await?;
    let mut channels = Vec::new();
    for messages in [1, 1100] {
        let channel = client.must("POST", device.link(CHANNELS)?, &[], Bytes::new()).await?;
        send(client, "PUT", channel.location()?, &[], messages, MESSAGE.len()).await?;
        channels.push(channel.link("urn:ietf:params:push")?.to_owned());
    }
    Ok(channels.swap_remove(0))
}

async fn send(
    client: &Client,
    method: &'static str,
    url: &str,
    headers: &'static [(&str, &str)],
    messages: usize,
    bytes: usize,
) -> anyhow::Result<()> {
    let sent = all(messages, |_| {
        let (client, url) = (client.clone(), url.to_owned());
        async move { client.must(method, &url, headers, Bytes::from_static(&MESSAGE).slice(..bytes)).await }
    });
    sent.await.map(drop)
}

/// Returns a notification with much to parse, for a device that the gateway does not send to.
fn notification() -> Bytes {
    const DEVICE: &str = r#"{"app_id":"a","pushkey":"https://127.0.0.1/x"}"#;
    const MEMBER_BYTES: usize = r#""00000":[0],"#.len();
    let members: Vec<_> =
        (0..NOTIFICATION_BYTES / MEMBER_BYTES).map(|number| format!(r#""{number:05}":[0]"#)).collect();
    let content = members.join(",");
    format!(r#"{{"notification":{{"content":{{{content}}},"devices":[{DEVICE}]}}}}"#).into()
}
