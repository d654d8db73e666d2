//! The WebSocket: opening, a message from end to end, the origin of URLs, an idle connection.

use super::check_result::CheckResult;
use super::error::CheckError;
use super::push::WITH_TOKEN;
use super::{Diagnosis, with_timeout};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokio::time::{Instant, timeout};
use webpush_client::connection::Protocols;
use webpush_client::error::{ClientError, Operation, StatusError};
use webpush_client::url::CapabilityUrl;
use webpush_client::websocket::{Incoming, WebSocket};

const CHECK: &str = "WebSocket";
const ORIGIN: &str = "origin";
const MESSAGE: &str = "message";
const IDLE: &str = "idle";

pub(super) async fn examine(diagnosis: &Diagnosis, report: &mut impl FnMut(CheckResult)) {
    let (mut agent, endpoint) = match with_timeout(Agent::register(diagnosis)).await {
        Ok(registered) => registered,
        Err(error) if error.needs_token() => {
            report(CheckResult::bad(CHECK, "opens, but registering needs a token", WITH_TOKEN));
            return;
        }
        Err(error) => {
            report(CheckResult::bad(
                CHECK,
                error.sentence(),
                "the reverse proxy must forward the `Upgrade: websocket` header for / (nginx: proxy_http_version 1.1, and the \
                 headers Upgrade and Connection)",
            ));
            return;
        }
    };
    report(CheckResult::good(CHECK, "opens, and registers a channel"));
    report(origin(diagnosis, &endpoint));
    if endpoint.origin() == diagnosis.url.origin() {
        report(message(diagnosis, &mut agent, &endpoint).await);
    }
    report(idle(diagnosis, &mut agent).await);
    // If that fails, the idle agent expires.
    let _ = with_timeout(agent.unregister()).await;
}

/// An autopush agent.
struct Agent {
    socket: WebSocket,
    channel: String,
}

impl Agent {
    async fn register(diagnosis: &Diagnosis) -> Result<(Self, CapabilityUrl), CheckError> {
        let url = diagnosis.url.below("")?;
        let mut socket = WebSocket::open(&diagnosis.connector, &url).await?;
        socket.send(r#"{"messageType":"hello","use_webpush":true}"#).await?;
        let mut agent = Self { socket, channel: channel()? };
        agent.answer("hello").await?;
        agent.send(&json!({"messageType": "register", "channelID": agent.channel})).await?;
        let registered = agent.answer("register").await?;
        let endpoint = registered["pushEndpoint"].as_str().unwrap_or_default();
        let endpoint = CapabilityUrl::parse(endpoint)?;
        Ok((agent, endpoint))
    }

    async fn send(&mut self, message: &Value) -> Result<(), ClientError> {
        self.socket.send(&message.to_string()).await
    }

    /// Waits for the next message of a type.
    async fn answer(&mut self, kind: &'static str) -> Result<Value, CheckError> {
        loop {
            let Incoming::Text(text) = self.socket.next().await? else { continue };
            let message: Value = serde_json::from_str(&text).unwrap_or_default();
            if message["messageType"] == kind {
                return match message["status"].as_u64() {
                    None | Some(200) => Ok(message),
                    Some(status) => Err(CheckError::Autopush { request: kind, status }),
                };
            }
        }
    }

    async fn unregister(&mut self) -> Result<(), CheckError> {
        self.send(&json!({"messageType": "unregister", "channelID": self.channel})).await?;
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
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Checks that the server uses this origin in URLs, and seals them with the keys of the data directory.
fn origin(diagnosis: &Diagnosis, endpoint: &CapabilityUrl) -> CheckResult {
    let (asked, given) = (diagnosis.url.origin(), endpoint.origin());
    if asked != given {
        return CheckResult::bad(
            ORIGIN,
            format!("the server creates URLs at {given}, not at {asked}"),
            format!("set --origin {asked} (listen.origin), or configure agents with {given}"),
        );
    }
    if diagnosis.url.is_https() && diagnosis.url.port() != 443 {
        return CheckResult::warning(
            ORIGIN,
            format!("URLs are at {given}, a port other than 443"),
            "use port 443 if you can: some networks block others, and some libraries of senders leave the port out of aud, \
             which this server accepts and others refuse",
        );
    }
    match &diagnosis.keyring {
        None => CheckResult::good(
            ORIGIN,
            format!("URLs are at {given} (not compared with the keys of a data directory)"),
        ),
        Some(keyring) if keyring.open_below(endpoint.path()).is_some() => CheckResult::good(
            ORIGIN,
            format!("URLs are at {given}, and sealed with the keys of the data directory"),
        ),
        Some(_) => CheckResult::bad(
            ORIGIN,
            format!("{given} is another server: it does not have the keys of the data directory"),
            "check where the name leads (DNS, proxy), and stop a second server",
        ),
    }
}

/// Sends a message and waits for its delivery.
async fn message(diagnosis: &Diagnosis, agent: &mut Agent, endpoint: &CapabilityUrl) -> CheckResult {
    let began = Instant::now();
    match with_timeout(send_and_receive(diagnosis, agent, endpoint)).await {
        Ok(()) => CheckResult::good(
            MESSAGE,
            format!("sent, delivered and acknowledged in {} ms", began.elapsed().as_millis()),
        ),
        Err(error) => CheckResult::bad(
            MESSAGE,
            error.sentence(),
            "run 'webpush-server health' to check the store, and read the log",
        ),
    }
}

async fn send_and_receive(
    diagnosis: &Diagnosis,
    agent: &mut Agent,
    endpoint: &CapabilityUrl,
) -> Result<(), CheckError> {
    let request = Request::builder().method(Method::POST).uri(endpoint.uri().clone()).header("ttl", "60");
    let request = request.body(Bytes::new())?;
    let mut connection = diagnosis.connector.connect(endpoint, Protocols::Any).await?;
    let answer = connection.exchange(request).await?;
    if !answer.status.is_success() {
        let error = StatusError::new(&endpoint.origin(), Operation::Send, &answer);
        return Err(ClientError::from(error).into());
    }
    let came = agent.answer("notification").await?;
    let ack = json!({"messageType": "ack", "updates": [{"channelID": came["channelID"], "version": came["version"]}]});
    Ok(agent.send(&ack).await?)
}

/// Leaves the connection idle, then pings the server.
async fn idle(diagnosis: &Diagnosis, agent: &mut Agent) -> CheckResult {
    let idle_time = diagnosis.idle;
    if idle_time.is_zero() {
        return CheckResult::skipped(IDLE, "not checked (--idle 0)");
    }
    let shown = idle_time.as_secs();
    let advice = "raise the timeout of the reverse proxy above the ping interval of the server (nginx: proxy_read_timeout 1h; \
                  HAProxy: timeout tunnel 1h), or lower --websocket-ping below it";
    // A ping of the server does not count.
    let ended = match timeout(idle_time, agent.socket.next()).await {
        Ok(Err(error)) => Some(CheckError::from(error)),
        Ok(Ok(_)) | Err(_) => with_timeout(ping(agent)).await.err(),
    };
    match ended {
        None => CheckResult::good(IDLE, format!("a WebSocket stays open when idle for {shown} s")),
        Some(error) => {
            CheckResult::bad(IDLE, format!("closed within {shown} s: {}", error.sentence()), advice)
        }
    }
}

async fn ping(agent: &mut Agent) -> Result<(), ClientError> {
    agent.socket.ping().await?;
    while agent.socket.next().await? != Incoming::Pong {}
    Ok(())
}
