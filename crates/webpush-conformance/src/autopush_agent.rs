//! A user agent on a WebSocket, as Firefox is one.

use crate::delivered_message::DeliveredMessage;
use crate::stop::Stop;
use http::HeaderMap;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use webpush_client::connection::Connector;
use webpush_client::url::CapabilityUrl;
use webpush_client::websocket::{Incoming, WebSocket};
use webpush_core::base64url;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A stream of stored messages that pauses this long has ended.
const QUIET: Duration = Duration::from_millis(300);

/// Opens WebSockets, and knows which channels have to be removed.
#[derive(Clone)]
pub(crate) struct AutopushClient {
    connector: Connector,
    url: CapabilityUrl,
    registrations: Rc<RefCell<BTreeSet<(String, u8)>>>,
}

/// A user agent, connected and greeted.
pub(crate) struct AutopushAgent {
    socket: WebSocket,
    client: AutopushClient,
    /// Its ID.
    pub(crate) uaid: String,
    /// The reply to hello.
    pub(crate) greeting: Value,
    /// Messages that came before the reply that was waited for.
    early: Vec<Value>,
    /// The messages in both directions.
    pub(crate) transcript: String,
}

/// A user agent that has disconnected.
pub(crate) struct AbsentAgent {
    client: AutopushClient,
    uaid: String,
}

/// Returns the ID of the channel with this number.
pub(crate) fn channel(number: u8) -> String {
    format!("d1c0ffee-0000-4000-a000-0000000000{number:02x}")
}

impl AutopushClient {
    /// Creates a client of the WebSocket at a URL.
    pub(crate) fn new(connector: Connector, url: CapabilityUrl) -> Self {
        Self { connector, url, registrations: Rc::default() }
    }

    /// Removes all channels that are left.
    pub(crate) async fn clean(&self) {
        let all = self.registrations.take();
        for (uaid, number) in all {
            if let Ok(mut agent) = AutopushAgent::hello(self, Some(&uaid)).await {
                // The service may have lost it, which is as good.
                let _ = agent.unregister(number).await;
            }
        }
    }
}

impl AutopushAgent {
    /// Connects and says hello.
    pub(crate) async fn hello(client: &AutopushClient, uaid: Option<&str>) -> Result<Self, Stop> {
        let socket = within(WebSocket::open(&client.connector, &client.url)).await??;
        let mut agent = Self {
            socket,
            client: client.clone(),
            uaid: String::new(),
            greeting: Value::Null,
            early: Vec::new(),
            transcript: String::new(),
        };
        let mut hello = json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}});
        if let Some(uaid) = uaid {
            hello["uaid"] = uaid.into();
        }
        agent.greeting = agent.ask(&hello, "hello").await?;
        agent.uaid = agent.greeting["uaid"].as_str().unwrap_or_default().to_owned();
        Ok(agent)
    }

    /// Disconnects.
    pub(crate) fn leave(self) -> AbsentAgent {
        let Self { client, uaid, .. } = self;
        AbsentAgent { client, uaid }
    }

    /// Registers a channel, and returns its push URL.
    pub(crate) async fn register(&mut self, number: u8, key: Option<&str>) -> Result<CapabilityUrl, Stop> {
        let reply = self.ask_register(number, key).await?;
        let url = reply["pushEndpoint"].as_str().and_then(|url| CapabilityUrl::parse(url).ok());
        url.ok_or_else(|| Stop::skip(format!("register returned status {}", reply["status"])))
    }

    /// Registers a channel, and returns the reply.
    pub(crate) async fn ask_register(&mut self, number: u8, key: Option<&str>) -> Result<Value, Stop> {
        let mut register = json!({"messageType": "register", "channelID": channel(number)});
        if let Some(key) = key {
            register["key"] = key.into();
        }
        let reply = self.ask(&register, "register").await?;
        self.client.registrations.borrow_mut().insert((self.uaid.clone(), number));
        Ok(reply)
    }

    /// Unregisters a channel, and returns the reply.
    pub(crate) async fn unregister(&mut self, number: u8) -> Result<Value, Stop> {
        let request = json!({"messageType": "unregister", "channelID": channel(number), "code": 200});
        let reply = self.ask(&request, "unregister").await?;
        self.client.registrations.borrow_mut().remove(&(self.uaid.clone(), number));
        Ok(reply)
    }

    /// Sends a message.
    pub(crate) async fn tell(&mut self, message: &Value) -> Result<(), Stop> {
        self.tell_text(&message.to_string()).await
    }

    /// Sends a text.
    pub(crate) async fn tell_text(&mut self, text: &str) -> Result<(), Stop> {
        self.note(">", text);
        Ok(self.socket.send(text).await?)
    }

    /// Sends a message, and returns the reply of this type.
    pub(crate) async fn ask(&mut self, message: &Value, kind: &str) -> Result<Value, Stop> {
        self.tell(message).await?;
        self.reply(kind).await
    }

    /// Waits for a message of this type. Others that come first are kept.
    pub(crate) async fn reply(&mut self, kind: &str) -> Result<Value, Stop> {
        if let Some(at) = self.early.iter().position(|message| message["messageType"] == kind) {
            return Ok(self.early.remove(at));
        }
        loop {
            let message = within(self.next()).await??;
            if message["messageType"] == kind {
                return Ok(message);
            }
            self.early.push(message);
        }
    }

    /// Waits for the reply to the text `{}`; returns true if it came.
    pub(crate) async fn ping_text(&mut self) -> Result<bool, Stop> {
        self.tell_text("{}").await?;
        loop {
            let Ok(message) = within(self.next()).await else { return Ok(false) };
            let message = message?;
            if message == json!({}) || message["messageType"] == "ping" {
                return Ok(true);
            }
            self.early.push(message);
        }
    }

    /// Sends a ping frame; returns true if a pong came.
    pub(crate) async fn ping_frame(&mut self) -> Result<bool, Stop> {
        self.socket.ping().await?;
        loop {
            match within(self.socket.next()).await {
                Ok(Ok(Incoming::Pong)) => return Ok(true),
                Ok(Ok(Incoming::Text(text))) => {
                    self.note("<", &text);
                    self.early.push(serde_json::from_str(&text).unwrap_or(Value::Null));
                }
                Ok(Err(_)) | Err(_) => return Ok(false),
            }
        }
    }

    /// Acknowledges a message.
    pub(crate) async fn ack(&mut self, message: &Value) -> Result<(), Stop> {
        let update = json!({"channelID": message["channelID"], "version": message["version"], "code": 100});
        self.tell(&json!({"messageType": "ack", "updates": [update]})).await
    }

    /// Returns the messages that are here, or come before a pause.
    pub(crate) async fn notifications(&mut self) -> Result<Vec<Value>, Stop> {
        // The reply shows that what was accepted before has been sent, or is on its way.
        self.ping_text().await?;
        while let Ok(message) = tokio::time::timeout(QUIET, self.next()).await {
            let message = message?;
            self.early.push(message);
        }
        let all = std::mem::take(&mut self.early);
        let (found, early) = all.into_iter().partition(|message| message["messageType"] == "notification");
        self.early = early;
        Ok(found)
    }

    /// Waits until the service closes the connection; returns true if it did.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let end = async { while self.socket.next().await.is_ok() {} };
        within(end).await.is_ok()
    }

    async fn next(&mut self) -> Result<Value, Stop> {
        loop {
            if let Incoming::Text(text) = self.socket.next().await? {
                self.note("<", &text);
                return serde_json::from_str(&text)
                    .map_err(|_| Stop::Error("a message on the WebSocket is not JSON".to_owned()));
            }
        }
    }

    fn note(&mut self, direction: &str, text: &str) {
        self.transcript.push_str(&format!("{direction} {text}\n"));
    }
}

impl AbsentAgent {
    /// Connects again.
    pub(crate) async fn again(&self) -> Result<AutopushAgent, Stop> {
        AutopushAgent::hello(&self.client, Some(&self.uaid)).await
    }

    /// Connects again, and returns the stored messages in the form of server push.
    pub(crate) async fn received(&self) -> Result<Vec<DeliveredMessage>, Stop> {
        let notifications = self.again().await?.notifications().await?;
        Ok(notifications.iter().map(delivered).collect())
    }
}

fn delivered(message: &Value) -> DeliveredMessage {
    let mut headers = HeaderMap::new();
    if let Some(encoding) = message["headers"]["encoding"].as_str().and_then(|text| text.parse().ok()) {
        headers.insert("content-encoding", encoding);
    }
    DeliveredMessage {
        url: String::new(),
        method: "GET".to_owned(),
        request_headers: HeaderMap::new(),
        status: 200,
        headers,
        body: message["data"].as_str().and_then(base64url::decode_lenient).unwrap_or_default(),
        transcript: format!("< {message}"),
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, Stop> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.map_err(|_| Stop::Error(format!("nothing came on the WebSocket for {} s", PATIENCE.as_secs())))
}
