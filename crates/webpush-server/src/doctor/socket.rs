//! The WebSocket of autopush: opening, a message from end to end, the origin of URLs, and an idle connection.

use super::error::CheckError;
use super::finding::Finding;
use super::push::WITH_TOKEN;
use super::{Examination, soon};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Instant;
use tokio::time::timeout;
use webpush_client::connection::Protocols;
use webpush_client::error::{ClientError, Operation, StatusError};
use webpush_client::url::CapabilityUrl;
use webpush_client::websocket::{Incoming, WebSocket};

const CHECK: &str = "WebSocket";
const ORIGIN: &str = "origin";
const MESSAGE: &str = "message";
const IDLE: &str = "silence";

pub(super) async fn examine(examination: &Examination, tell: &mut impl FnMut(Finding)) {
    let (mut agent, endpoint) = match soon(Agent::register(examination)).await {
        Ok(registered) => registered,
        Err(error) if error.needs_token() => {
            tell(Finding::bad(CHECK, "opens, but registering needs a token", WITH_TOKEN));
            return;
        }
        Err(error) => {
            tell(Finding::bad(
                CHECK,
                error.sentence(),
                "the reverse proxy must forward the `Upgrade: websocket` header for / (nginx: proxy_http_version 1.1, and the \
                 headers Upgrade and Connection)",
            ));
            return;
        }
    };
    tell(Finding::good(CHECK, "opens, and registers a channel"));
    tell(origin(examination, &endpoint));
    if endpoint.origin() == examination.url.origin() {
        tell(message(examination, &mut agent, &endpoint).await);
    }
    tell(idle(examination, &mut agent).await);
    // If that fails, the idle agent expires.
    let _ = soon(agent.unregister()).await;
}

/// An agent as Firefox is one.
struct Agent {
    socket: WebSocket,
    channel: String,
}

impl Agent {
    async fn register(examination: &Examination) -> Result<(Self, CapabilityUrl), CheckError> {
        let url = examination.url.below("")?;
        let mut socket = WebSocket::open(&examination.connector, &url).await?;
        socket.send(r#"{"messageType":"hello","use_webpush":true}"#).await?;
        let mut agent = Self { socket, channel: channel()? };
        agent.answer("hello").await?;
        agent.say(&json!({"messageType": "register", "channelID": agent.channel})).await?;
        let registered = agent.answer("register").await?;
        let endpoint = registered["pushEndpoint"].as_str().unwrap_or_default();
        let endpoint = CapabilityUrl::parse(endpoint)?;
        Ok((agent, endpoint))
    }

    async fn say(&mut self, what: &Value) -> Result<(), ClientError> {
        self.socket.send(&what.to_string()).await
    }

    /// Waits for the next message of a type.
    async fn answer(&mut self, kind: &'static str) -> Result<Value, CheckError> {
        loop {
            let Incoming::Text(text) = self.socket.next().await? else { continue };
            let said: Value = serde_json::from_str(&text).unwrap_or_default();
            if said["messageType"] == kind {
                return match said["status"].as_u64() {
                    None | Some(200) => Ok(said),
                    Some(status) => Err(CheckError::Autopush { request: kind, status }),
                };
            }
        }
    }

    async fn unregister(&mut self) -> Result<(), CheckError> {
        self.say(&json!({"messageType": "unregister", "channelID": self.channel})).await?;
        self.answer("unregister").await.map(drop)
    }
}

/// A random UUID (RFC 9562 §5.4).
fn channel() -> Result<String, CheckError> {
    let mut bytes = webpush_service::system::env().random::<16>().map_err(|_| CheckError::NoEntropy)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Checks that the server uses this origin in URLs, and seals them with the keys of the data directory.
fn origin(examination: &Examination, endpoint: &CapabilityUrl) -> Finding {
    let (asked, given) = (examination.url.origin(), endpoint.origin());
    if asked != given {
        return Finding::bad(
            ORIGIN,
            format!("the server creates URLs at {given}, not at {asked}"),
            format!("set --origin {asked} (listen.origin), or configure agents with {given}"),
        );
    }
    match &examination.keyring {
        None => Finding::good(
            ORIGIN,
            format!("URLs are at {given} (not compared with the keys of a data directory)"),
        ),
        Some(keyring) if keyring.open(endpoint.path()).is_some() => Finding::good(
            ORIGIN,
            format!("URLs are at {given}, and sealed with the keys of the data directory"),
        ),
        Some(_) => Finding::bad(
            ORIGIN,
            format!("{given} is another server: it does not have the keys of the data directory"),
            "check where the name leads (DNS, proxy), and stop a second server",
        ),
    }
}

/// Sends a message and waits for its delivery.
async fn message(examination: &Examination, agent: &mut Agent, endpoint: &CapabilityUrl) -> Finding {
    let began = Instant::now();
    match soon(send_and_receive(examination, agent, endpoint)).await {
        Ok(()) => Finding::good(
            MESSAGE,
            format!("sent, delivered and acknowledged in {} ms", began.elapsed().as_millis()),
        ),
        Err(error) => Finding::bad(
            MESSAGE,
            error.sentence(),
            "run 'webpush-server health' to check the store, and read the log",
        ),
    }
}

async fn send_and_receive(
    examination: &Examination,
    agent: &mut Agent,
    endpoint: &CapabilityUrl,
) -> Result<(), CheckError> {
    let request = Request::builder().method(Method::POST).uri(endpoint.uri().clone()).header("ttl", "60");
    let request = request.body(Bytes::new())?;
    let mut connection = examination.connector.connect(endpoint, Protocols::Any).await?;
    let answer = connection.exchange(request).await?;
    if !answer.status.is_success() {
        let error = StatusError::new(&endpoint.origin(), Operation::Send, &answer);
        return Err(ClientError::from(error).into());
    }
    let came = agent.answer("notification").await?;
    let ack = json!({"messageType": "ack", "updates": [{"channelID": came["channelID"], "version": came["version"]}]});
    Ok(agent.say(&ack).await?)
}

/// Leaves the connection idle, then pings the server.
async fn idle(examination: &Examination, agent: &mut Agent) -> Finding {
    let silence = examination.silence;
    if silence.is_zero() {
        return Finding::skipped(IDLE, "not checked (--silence 0)");
    }
    let shown = silence.as_secs();
    let advice = "raise the timeout of the reverse proxy above the ping interval of the server (nginx: proxy_read_timeout 1h; \
                  HAProxy: timeout tunnel 1h), or lower --websocket-ping below it";
    // A ping of the server does not count.
    let ended = match timeout(silence, agent.socket.next()).await {
        Ok(Err(error)) => Some(CheckError::from(error)),
        Ok(Ok(_)) | Err(_) => soon(ping(agent)).await.err(),
    };
    match ended {
        None => Finding::good(IDLE, format!("a WebSocket stays open when idle for {shown} s")),
        Some(error) => Finding::bad(IDLE, format!("closed within {shown} s: {}", error.sentence()), advice),
    }
}

async fn ping(agent: &mut Agent) -> Result<(), ClientError> {
    agent.socket.ping().await?;
    while agent.socket.next().await? != Incoming::Pong {}
    Ok(())
}
