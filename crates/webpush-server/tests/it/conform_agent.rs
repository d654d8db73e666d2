//! `conform agent`, with a WebSocket of `webpush-client` as the user agent.

use crate::support::HERMETIC;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use webpush_client::connection::Connector;
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

#[tokio::test]
async fn an_agent_that_acknowledges_and_comes_back_conforms() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.envs(HERMETIC).args(["conform", "agent", "--format", "json", "--name", "test"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let url = ready["ws"].as_str().unwrap();

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

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut report = String::new();
    stdout.read_to_string(&mut report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((child.wait().unwrap().code(), &report["subject"]["kind"]), (Some(0), &"agent".into()));
    assert_eq!(
        (&report["tally"]["failed"], &report["tally"]["skipped"]),
        (&0.into(), &2.into()),
        "{report:#}"
    );
}
