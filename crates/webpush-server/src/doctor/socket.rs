//! The WebSocket of autopush: opening, a message on its whole way, whether the origin is right and really ours, and whether a
//! connection that is silent stays.

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
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;
use webpush_client::websocket::{Heard, WebSocket};

const CHECK: &str = "WebSocket";
const ORIGIN: &str = "origin";
const MESSAGE: &str = "message";
const SILENCE: &str = "silence";

pub(super) async fn examine(examination: &Examination, tell: &mut impl FnMut(Finding)) {
    let (mut agent, endpoint) = match soon(Agent::register(examination)).await {
        Ok(registered) => registered,
        Err(error) if error.sentence().contains("status 401") => {
            tell(Finding::bad(CHECK, "it opens, and registering takes a token", WITH_TOKEN));
            return;
        }
        Err(error) => {
            tell(Finding::bad(
                CHECK,
                error.sentence(),
                "the proxy in front must pass «Upgrade: websocket» on for / (nginx: proxy_http_version 1.1, and the headers \
                 Upgrade and Connection)",
            ));
            return;
        }
    };
    tell(Finding::good(CHECK, "opens, says hello and registers"));
    tell(origin(examination, &endpoint));
    if endpoint.origin() == examination.url.origin() {
        tell(message(examination, &mut agent, &endpoint).await);
    }
    tell(silence(examination, &mut agent).await);
    // An agent without a channel is removed when it was idle for long enough, as one is that can't be told any more.
    let _ = soon(agent.unregister()).await;
}

/// Firefox for a minute.
struct Agent {
    socket: WebSocket,
    channel: String,
}

impl Agent {
    async fn register(examination: &Examination) -> Result<(Self, CapabilityUrl), ClientError> {
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

    /// The next message of a kind.
    async fn answer(&mut self, kind: &str) -> Result<Value, ClientError> {
        loop {
            let Heard::Text(text) = self.socket.next().await? else { continue };
            let said: Value = serde_json::from_str(&text).unwrap_or_default();
            if said["messageType"] == kind {
                return match said["status"].as_u64() {
                    None | Some(200) => Ok(said),
                    Some(status) => {
                        Err(ClientError::Refused(format!("{kind} is answered with status {status}")))
                    }
                };
            }
        }
    }

    async fn unregister(&mut self) -> Result<(), ClientError> {
        self.say(&json!({"messageType": "unregister", "channelID": self.channel})).await?;
        self.answer("unregister").await.map(drop)
    }
}

/// A random UUID (RFC 9562 §5.4).
fn channel() -> Result<String, ClientError> {
    let mut bytes =
        webpush_service::fresh::random::<16>().map_err(|error| ClientError::Local(error.to_string()))?;
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

/// Whether URLs are given out under the origin that was asked, and by the keys that are here.
fn origin(examination: &Examination, endpoint: &CapabilityUrl) -> Finding {
    let (asked, given) = (examination.url.origin(), endpoint.origin());
    if asked != given {
        return Finding::bad(
            ORIGIN,
            format!("the service gives out URLs of {given}, and not of {asked}"),
            format!("set --origin {asked} (listen.origin), or give agents {given}"),
        );
    }
    match &examination.keyring {
        None => Finding::good(
            ORIGIN,
            format!("URLs are of {given}; whether they are ours is not known without the data folder"),
        ),
        Some(keyring) if keyring.open(endpoint.path()).is_some() => {
            Finding::good(ORIGIN, format!("URLs are of {given}, and sealed with the keys of the data folder"))
        }
        Some(_) => Finding::bad(
            ORIGIN,
            format!(
                "what answers at {given} does not have the keys of the data folder: it is another service"
            ),
            "look where the name leads (DNS, proxy), and whether a second service is running",
        ),
    }
}

/// Sends a message and waits for it.
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
            "«webpush-server health» says whether the store can be written; the log says more",
        ),
    }
}

async fn send_and_receive(
    examination: &Examination,
    agent: &mut Agent,
    endpoint: &CapabilityUrl,
) -> Result<(), ClientError> {
    let request = Request::builder().method(Method::POST).uri(endpoint.uri().clone()).header("ttl", "60");
    let request = request.body(Bytes::new()).map_err(|error| ClientError::Local(error.to_string()))?;
    let mut connection = examination.connector.connect(endpoint, Protocols::Any).await?;
    let answer = connection.exchange(request).await?;
    if !answer.status.is_success() {
        return Err(webpush_client::problem::failure(&endpoint.origin(), "take a message", &answer));
    }
    let came = agent.answer("notification").await?;
    let ack = json!({"messageType": "ack", "updates": [{"channelID": came["channelID"], "version": came["version"]}]});
    agent.say(&ack).await
}

/// Leaves the connection alone, and then asks whether it is still there.
async fn silence(examination: &Examination, agent: &mut Agent) -> Finding {
    let silence = examination.silence;
    if silence.is_zero() {
        return Finding::skipped(SILENCE, "--silence 0: not looked at");
    }
    let shown = silence.as_secs();
    let advice = "raise the timeout of the proxy in front above the pings of the service (nginx: proxy_read_timeout 1h; \
                  HAProxy: timeout tunnel 1h), or lower --websocket-ping below it";
    // What the service says by itself, as a ping, is not what is looked for.
    let ended = match timeout(silence, agent.socket.next()).await {
        Ok(Err(error)) => Some(error),
        Ok(Ok(_)) | Err(_) => soon(ping(agent)).await.err(),
    };
    match ended {
        None => Finding::good(SILENCE, format!("a WebSocket that is silent for {shown} s stays")),
        Some(error) => Finding::bad(SILENCE, format!("within {shown} s: {}", error.sentence()), advice),
    }
}

async fn ping(agent: &mut Agent) -> Result<(), ClientError> {
    agent.socket.ping().await?;
    while agent.socket.next().await? != Heard::Pong {}
    Ok(())
}
