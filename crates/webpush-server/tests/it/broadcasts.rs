//! Broadcasts, from the admin API to agents.

use crate::admin::{ask, ask_with, owners};
use crate::cluster::Cluster;
use crate::support::{Server, soon};
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MONITOR: &str = "remote-settings/monitor_changes";

/// A minimal autopush agent, with a mask of zeros.
struct Agent(TcpStream);

impl Agent {
    async fn connect(server: &Server) -> Self {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let opening = "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(opening.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("the answer to an upgrade", stream.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Self(stream)
    }

    /// Connects and says hello; returns the broadcasts in the response.
    async fn hello(server: &Server, broadcasts: Value) -> (Self, Value) {
        let mut agent = Self::connect(server).await;
        let told = agent.say_hello(broadcasts).await;
        (agent, told)
    }

    async fn say_hello(&mut self, broadcasts: Value) -> Value {
        self.send_text(json!({"messageType": "hello", "use_webpush": true, "broadcasts": broadcasts})).await;
        let hello = self.hear().await;
        assert_eq!((&hello["messageType"], &hello["status"]), (&json!("hello"), &json!(200)));
        hello["broadcasts"].clone()
    }

    async fn send_text(&mut self, message: Value) {
        let text = message.to_string();
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let read = async {
            assert_eq!(self.0.read_u8().await.unwrap(), 0x81, "a whole text message");
            let length = match self.0.read_u8().await.unwrap() {
                126 => self.0.read_u16().await.unwrap().into(),
                short => usize::from(short),
            };
            let mut text = vec![0; length];
            self.0.read_exact(&mut text).await.unwrap();
            serde_json::from_slice(&text).unwrap()
        };
        soon("a message to the agent", read).await
    }

    /// Waits for the next message, which must be a broadcast.
    async fn told(&mut self) -> Value {
        let message = self.hear().await;
        assert_eq!(message["messageType"], "broadcast");
        message["broadcasts"].clone()
    }
}

fn configuration(dir: &Path, text: &str) -> String {
    let path = dir.join("webpush-server.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn put(server: &Server, name: &str, version: &str) {
    let (status, _, body) =
        ask_with(&server.admin, "PUT", &format!("/broadcasts/{name}"), &[&owners(server)], version).await;
    assert_eq!((status, &*body), (204, ""));
}

async fn delete(server: &Server, name: &str) -> u16 {
    ask_with(&server.admin, "DELETE", &format!("/broadcasts/{name}"), &[&owners(server)], "").await.0
}

async fn list(server: &Server) -> Value {
    let (status, head, body) = ask(&server.admin, "GET", "/broadcasts", "").await;
    assert!(status == 200 && head.contains("application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn an_agent_gets_differing_versions_and_every_change_immediately() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), "[broadcasts]\n\"remote-settings/monitor_changes\" = '\"1\"'\n");
    let server = Server::start_with(&["--config", &config, "--admin", "127.0.0.1:0"]);
    let (mut agent, told) = Agent::hello(&server, json!({MONITOR: "\"0\"", "later/on": "0"})).await;
    assert_eq!(told, json!({MONITOR: "\"1\"", "errors": {"later/on": "Broadcast not found"}}));

    // Names can be percent-encoded, and a trailing line break is not part of the version.
    put(&server, MONITOR, "\"2\"").await;
    assert_eq!(agent.told().await, json!({MONITOR: "\"2\""}));
    put(&server, "remote-settings%2Fmonitor_changes", "\"3\"\n").await;
    assert_eq!(agent.told().await, json!({MONITOR: "\"3\""}));
    assert_eq!(list(&server).await, json!({MONITOR: "\"3\""}));

    // No other broadcasts are announced, and no version twice.
    put(&server, "other", "1").await;
    put(&server, MONITOR, "\"3\"").await;
    put(&server, "later/on", "1").await;
    assert_eq!(agent.told().await, json!({"later/on": "1"}));

    agent
        .send_text(json!({"messageType": "broadcast_subscribe", "broadcasts": {"other": "0", "none": "0"}}))
        .await;
    assert_eq!(agent.told().await, json!({"other": "1", "errors": {"none": "Broadcast not found"}}));
    put(&server, "none", "1").await;
    assert_eq!(agent.told().await, json!({"none": "1"}));
}

#[tokio::test]
async fn versions_that_were_set_override_the_configuration_until_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), "[broadcasts]\na = '1'\nb = '1'\n");
    let args = ["--config", &config, "--admin", "127.0.0.1:0"];
    let server = Server::start_on(dir.path(), &args);
    put(&server, "a", "2").await;
    put(&server, "c", "2").await;
    server.kill();

    configuration(dir.path(), "[broadcasts]\na = '3'\nb = '3'\n");
    let server = Server::start_on(dir.path(), &args);
    let (mut agent, told) = Agent::hello(&server, json!({"a": "0", "b": "0", "c": "0"})).await;
    assert_eq!(told, json!({"a": "2", "b": "3", "c": "2"}));
    assert_eq!(delete(&server, "a").await, 204);
    assert_eq!(agent.told().await, json!({"a": "3"}));
    assert_eq!(delete(&server, "c").await, 204);
    assert_eq!((delete(&server, "a").await, delete(&server, "c").await), (404, 404));
    assert_eq!(list(&server).await, json!({"a": "3", "b": "3"}));
    server.signal("TERM");
    assert!(server.wait().await);

    // Versions that were set persist without a configuration.
    let server = Server::start_on(dir.path(), &["--admin", "127.0.0.1:0"]);
    put(&server, "c", "4").await;
    server.kill();
    let server = Server::start_on(dir.path(), &[]);
    let (_agent, told) = Agent::hello(&server, json!({"b": "3", "c": "2"})).await;
    assert_eq!(told, json!({"c": "4", "errors": {"b": "Broadcast not found"}}));
}

#[tokio::test]
async fn a_change_between_connection_and_hello_is_announced() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    put(&server, "a", "1").await;
    // It answers, so it has the current version.
    let mut agent = Agent::connect(&server).await;
    agent.send_text(json!({})).await;
    assert_eq!(agent.hear().await, json!({}));
    put(&server, "a", "2").await;
    // With the response if the connection has noticed it by then, otherwise after it.
    let with_response = agent.say_hello(json!({"a": "1"})).await;
    let announced = if with_response == json!({}) { agent.told().await } else { with_response };
    assert_eq!(announced, json!({"a": "2"}));
}

#[tokio::test]
async fn a_damaged_data_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/broadcasts.toml"), "[broadcasts]\na = 1\n").unwrap();
    let output = crate::support::refused(dir.path(), &[]);
    assert!(output.contains("data/broadcasts.toml") && output.contains("line 2"), "{output}");
}

/// A version that was set through one node reaches the agents of all, and nodes that start later.
#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn nodes_of_a_cluster_share_broadcasts() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node(), cluster.node());
    let (mut near, _) = Agent::hello(&here, json!({MONITOR: "0"})).await;
    let (mut far, told) = Agent::hello(&there, json!({MONITOR: "0"})).await;
    assert_eq!(told, json!({"errors": {MONITOR: "Broadcast not found"}}));
    for version in ["1", "2"] {
        put(&here, MONITOR, version).await;
        assert_eq!(near.told().await, json!({MONITOR: version}));
        assert_eq!(far.told().await, json!({MONITOR: version}));
    }
    // Either node removes what the other one has set, once.
    put(&here, "other", "1").await;
    assert_eq!((delete(&there, "other").await, delete(&here, "other").await), (204, 404));
    for node in [here, there] {
        node.kill();
    }
    assert_eq!(list(&cluster.node()).await, json!({MONITOR: "2"}));
}

/// A node that had broadcasts of its own gives them to all.
#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn broadcasts_of_a_data_directory_move_into_the_database_of_a_cluster() {
    let cluster = Cluster::new();
    let first = cluster.node();
    put(&first, "both", "new").await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let file = dir.path().join("data/broadcasts.toml");
    std::fs::write(&file, "[broadcasts]\nboth = 'old'\nmine = '1'\n").unwrap();
    let second = cluster.node_on(dir.path());
    assert_eq!(list(&second).await, json!({"both": "new", "mine": "1"}));
    assert!(!file.exists(), "it would bring back what is deleted since");
    assert_eq!(delete(&second, "mine").await, 204);
    second.kill();
    assert_eq!(list(&cluster.node_on(dir.path())).await, json!({"both": "new"}));
}
