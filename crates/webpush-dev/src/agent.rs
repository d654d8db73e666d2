//! A virtual user agent: an autopush client of this very server.
//!
//! It takes the path of a browser's messages, so that TTL, topics and redelivery are those of the server.

use crate::record::AgentAck;
use crate::records::Records;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use webpush_client::connection::Connector;
use webpush_client::url::CapabilityUrl;
use webpush_client::websocket::{Incoming, WebSocket};
use webpush_core::protocol::autopush::names;
use webpush_service::service::Service;

/// Bounds each step of the exchange with the server in this process.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The channel of an agent, which has only one.
const CHANNEL: &str = "00000000-0000-4000-8000-000000000001";

/// The settings that tests change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) online: bool,
    pub(crate) acknowledge: AgentAck,
}

/// A connected agent, whose task ends with it.
pub(crate) struct VirtualAgent {
    settings: watch::Sender<Settings>,
    connected: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

/// The task of an agent.
struct AgentTask {
    url: CapabilityUrl,
    uaid: String,
    service: Arc<Service>,
    records: Arc<Records>,
    settings: watch::Receiver<Settings>,
    connected: watch::Sender<bool>,
}

/// A new agent, and the token of its push URL.
pub(crate) struct Registered {
    pub(crate) agent: VirtualAgent,
    pub(crate) token: String,
}

impl VirtualAgent {
    /// Connects a new agent to the server at `url`, and registers its channel for a sender.
    ///
    /// # Errors
    /// If the server refuses the key.
    pub(crate) async fn register(
        url: CapabilityUrl,
        key: Option<&str>,
        service: Arc<Service>,
        records: Arc<Records>,
    ) -> anyhow::Result<Registered> {
        let (mut socket, hello) = open(&url, None).await?;
        let uaid = hello["uaid"].as_str().context("the server gave no uaid")?.to_owned();
        let register = json!({ "messageType": "register", "channelID": CHANNEL, "key": key });
        socket.send(&register.to_string()).await?;
        let reply = reply(&mut socket, "register").await?;
        let endpoint = match reply["status"].as_u64() {
            Some(200) => reply["pushEndpoint"].as_str().unwrap_or_default(),
            _ => bail!("{}", reply["error"].as_str().unwrap_or("the registration failed")),
        };
        let token = endpoint.rsplit('/').next().unwrap_or_default().to_owned();
        let first = Settings { online: true, acknowledge: AgentAck::default() };
        let (settings, settings_seen) = watch::channel(first);
        let (connected_set, connected) = watch::channel(true);
        let agent_task =
            AgentTask { url, uaid, service, records, settings: settings_seen, connected: connected_set };
        let task = tokio::spawn(agent_task.run(socket));
        Ok(Registered { agent: Self { settings, connected, task }, token })
    }

    /// Returns the settings.
    pub(crate) fn settings(&self) -> Settings {
        *self.settings.borrow()
    }

    /// Changes the settings, and returns when the agent is connected or not, as they say.
    pub(crate) async fn change(&self, settings: Settings) {
        self.settings.send_replace(settings);
        let mut connected = self.connected.clone();
        let reached = connected.wait_for(|connected| *connected == settings.online);
        // After the timeout the server is too busy; a later message waits for the agent.
        let _ = timeout(STEP_TIMEOUT, reached).await;
    }
}

impl Drop for VirtualAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AgentTask {
    async fn run(mut self, first: WebSocket) {
        let mut socket = Some(first);
        loop {
            if let Some(socket) = socket.take() {
                self.connected.send_replace(true);
                // An error is ignored: the agent connects again.
                let _ = self.receive(socket).await;
                self.end_session().await;
                self.connected.send_replace(false);
            }
            if self.settings.wait_for(|settings| settings.online).await.is_err() {
                return;
            }
            match open(&self.url, Some(&self.uaid)).await {
                Ok((opened, hello)) if hello["uaid"] == *self.uaid => socket = Some(opened),
                // The server has removed the agent.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Receives messages until the agent goes offline or the connection ends.
    async fn receive(&mut self, mut socket: WebSocket) -> anyhow::Result<()> {
        loop {
            let incoming = tokio::select! {
                incoming = socket.next() => incoming?,
                offline = self.settings.wait_for(|settings| !settings.online) => {
                    offline?;
                    return Ok(());
                }
            };
            let Incoming::Text(text) = incoming else { continue };
            let message: Value = serde_json::from_str(&text)?;
            if message["messageType"] == "notification" {
                self.acknowledge(&mut socket, &message).await?;
            }
        }
    }

    async fn acknowledge(&self, socket: &mut WebSocket, message: &Value) -> anyhow::Result<()> {
        let acknowledge = self.settings.borrow().acknowledge;
        let Some(code) = acknowledge.code() else { return Ok(()) };
        let version = message["version"].as_str().unwrap_or_default();
        if let Some(entry) = names::message(version, &self.service.keyring) {
            self.records.acknowledge(entry.message, acknowledge, self.service.now());
        }
        let updates = json!([{ "channelID": CHANNEL, "version": version, "code": code }]);
        socket.send(&json!({ "messageType": "ack", "updates": updates }).to_string()).await?;
        Ok(())
    }

    /// Waits until the server has noticed the end of the connection, so that nothing is delivered to it.
    async fn end_session(&self) {
        let Some(inbox) = names::agent(&self.uaid) else { return };
        let ended = async {
            while self.service.registry.has_session(inbox) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // After the timeout a message with TTL 0 may be lost, as with a browser that was disconnected.
        let _ = timeout(STEP_TIMEOUT, ended).await;
    }
}

/// Opens a connection, and says hello.
async fn open(url: &CapabilityUrl, uaid: Option<&str>) -> anyhow::Result<(WebSocket, Value)> {
    let mut socket = timeout(STEP_TIMEOUT, WebSocket::open(&Connector::default(), url)).await??;
    let channels: &[&str] = if uaid.is_some() { &[CHANNEL] } else { &[] };
    let hello = json!({ "messageType": "hello", "use_webpush": true, "uaid": uaid, "channelIDs": channels });
    socket.send(&hello.to_string()).await?;
    let hello = reply(&mut socket, "hello").await?;
    Ok((socket, hello))
}

/// Waits for the reply to a request.
async fn reply(socket: &mut WebSocket, message_type: &str) -> anyhow::Result<Value> {
    let replied = async {
        loop {
            let Incoming::Text(text) = socket.next().await? else { continue };
            let reply: Value = serde_json::from_str(&text)?;
            if reply["messageType"] == message_type {
                return Ok(reply);
            }
        }
    };
    timeout(STEP_TIMEOUT, replied).await.context("the server did not reply in time")?
}
