//! `conform agent`, with `webpush-client` as the user agent.

use crate::support::HERMETIC;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use webpush_client::connection::Connector;
use webpush_client::monitor::{Event, Monitor, ReceivedMessage, Via, Wait};
use webpush_client::state_file::AgentSubscription;
use webpush_client::subscribe::subscribe;
use webpush_client::url::CapabilityUrl;
use webpush_client::websocket::{Incoming, WebSocket};

const CHANNEL: &str = "0a2b1f3c-0000-4000-8000-000000000001";

/// Returns the next message; `None` if the service has closed the connection.
async fn next(socket: &mut WebSocket) -> Option<Value> {
    loop {
        match socket.next().await.ok()? {
            Incoming::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Incoming::Pong => {}
        }
    }
}

async fn hello(url: &str, uaid: Option<&str>) -> (WebSocket, Value) {
    let url = CapabilityUrl::parse(&url.replacen("ws", "http", 1)).unwrap();
    let mut socket = WebSocket::open(&Connector::default(), &url).await.unwrap();
    let hello = json!({"messageType": "hello", "use_webpush": true, "uaid": uaid});
    socket.send(&hello.to_string()).await.unwrap();
    let hello = next(&mut socket).await.unwrap();
    (socket, hello)
}

/// A running `conform agent`.
struct Trial {
    child: Child,
    stdout: BufReader<ChildStdout>,
    ready: Value,
}

impl Trial {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
        command.envs(HERMETIC).args(["conform", "agent", "--format", "json", "--name", "test"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { child, stdout, ready: serde_json::from_str(&line).unwrap() }
    }

    /// Ends it, and asserts that nothing failed and these were not checked.
    fn assert_skipped(mut self, expected: &[&str]) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut report = String::new();
        self.stdout.read_to_string(&mut report).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (self.child.wait().unwrap().code(), &report["subject"]["kind"]),
            (Some(0), &"agent".into())
        );
        assert_eq!(report["tally"]["failed"], 0, "{report:#}");
        let results = report["results"].as_array().unwrap().iter();
        let skipped: Vec<_> =
            results.filter(|result| result["outcome"] == "skipped").map(|result| &result["id"]).collect();
        assert_eq!(skipped, expected, "{report:#}");
    }
}

#[tokio::test]
async fn an_agent_that_acknowledges_and_comes_back_conforms() {
    let trial = Trial::start();
    let url = trial.ready["ws"].as_str().unwrap();
    let (mut socket, greeting) = hello(url, None).await;
    let register = json!({"messageType": "register", "channelID": CHANNEL});
    socket.send(&register.to_string()).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["status"], 200);
    for _ in 0..3 {
        let message = next(&mut socket).await.unwrap();
        assert_eq!(message["messageType"], "notification");
        let updates = json!([{"channelID": CHANNEL, "version": message["version"], "code": 100}]);
        let ack = json!({"messageType": "ack", "updates": updates});
        socket.send(&ack.to_string()).await.unwrap();
    }
    assert_eq!(next(&mut socket).await, None);
    let (mut socket, again) = hello(url, greeting["uaid"].as_str()).await;
    assert_eq!(again["uaid"], greeting["uaid"]);
    let unregister = json!({"messageType": "unregister", "channelID": CHANNEL});
    socket.send(&unregister.to_string()).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["messageType"], "unregister");
    // The response comes after the pong to the ping that follows hello.
    socket.send("{}").await.unwrap();
    assert_eq!(next(&mut socket).await, Some(json!({})));
    trial.assert_skipped(&["AG-register-b", "AG-ping-a"]);
}

/// Receives and acknowledges all messages, until the response or the connection ends.
async fn receive_all(subscription: &AgentSubscription, via: Via<'_>, wait: Wait) -> usize {
    let mut monitor =
        Monitor::start(&Connector::default(), &subscription.subscription, wait, via).await.unwrap();
    let mut received = 0;
    while let Ok(Event::Message(message)) = monitor.next().await {
        let message = ReceivedMessage::receive(message, &subscription.keys).await.unwrap();
        assert!(message.text.unwrap().is_none());
        received += 1;
        // The service may close the connection before it responds to the last one.
        let _ = monitor.acknowledge(&message.url).await;
    }
    received
}

#[tokio::test]
async fn an_agent_of_rfc_8030_that_acknowledges_and_comes_back_conforms() {
    for via in [Via::Push, Via::Events { after: None }] {
        let trial = Trial::start();
        let url = CapabilityUrl::parse(trial.ready["http"].as_str().unwrap()).unwrap();
        let subscription = subscribe(&Connector::default(), &url, via.protocols()).await.unwrap();
        assert_eq!(receive_all(&subscription, via, Wait::Forever).await, 3);
        assert_eq!(receive_all(&subscription, via, Wait::Stored).await, 0);
        trial.assert_skipped(&["AU-4.1-a", "AU-5.3-a"]);
    }
}
