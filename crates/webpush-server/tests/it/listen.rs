//! `listen` against the server, without server push.

use crate::support::{Http2Client, Server, header};
use http::StatusCode;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use webpush_client::encryption::encrypt;
use webpush_client::subscription::PushSubscription;

/// A certificate for localhost: key file and certificate file.
fn certificate(dir: &std::path::Path) -> (String, String) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    (write("key.pem", &signing_key.serialize_pem()), write("cert.pem", &cert.pem()))
}

/// The program, running `listen`.
struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    subscription: PushSubscription,
}

impl Listening {
    async fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
            .args(["listen", "--via", "sse"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = crate::support::soon("the subscription", lines.next_line()).await.unwrap();
        let subscription = match &first {
            Some(first) => PushSubscription::read(first).unwrap(),
            None => panic!("{}", printed(&mut child).await),
        };
        Self { child, lines, subscription }
    }

    async fn send(&self, peer: &mut Http2Client, text: &str) -> String {
        let headers = [("ttl", "60"), ("content-encoding", "aes128gcm")];
        let body = encrypt(&self.subscription.keys, text.as_bytes()).unwrap();
        let push = self.subscription.endpoint.expose();
        let response = peer.request(http::Method::POST, &push, &headers, body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        header(&response, "location").to_owned()
    }

    async fn line(&mut self) -> Option<String> {
        crate::support::soon("a line", self.lines.next_line()).await.unwrap()
    }

    async fn end(mut self) -> (Option<i32>, String) {
        assert_eq!(self.line().await, None, "nothing more on standard output");
        let printed = printed(&mut self.child).await;
        (self.child.wait().await.unwrap().code(), printed)
    }
}

async fn printed(child: &mut Child) -> String {
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).await.unwrap();
    printed
}

#[tokio::test]
async fn messages_arrive_as_events_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &[]);
    let port = server.origin.rsplit(':').next().unwrap().to_owned();
    let state = dir.path().join("state.json");
    let arguments = [&server.origin, "--count", "2", "--state", state.to_str().unwrap()];
    let mut listening = Listening::start(&arguments).await;
    let mut peer = server.connect().await;
    let first = listening.send(&mut peer, "one").await;
    assert_eq!(listening.line().await.as_deref(), Some("one"));
    drop(peer);
    server.signal("TERM");
    assert!(server.wait().await);

    let server = Server::start_on(dir.path(), &["--port", &port]);
    let mut peer = server.connect().await;
    let second = listening.send(&mut peer, "two").await;
    assert_eq!(listening.line().await.as_deref(), Some("two"));
    let (code, printed) = listening.end().await;
    assert_eq!(code, Some(0), "{printed}");
    for acknowledged in [first, second] {
        assert_eq!(peer.delete(&acknowledged).await, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn stored_messages_arrive_as_events_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &[]);
    let state = dir.path().join("state.json");
    let arguments = [&server.origin, "--no-wait", "--state", state.to_str().unwrap()];
    let mut listening = Listening::start(&arguments).await;
    assert_eq!(listening.line().await, None, "nothing is stored");
    let mut peer = server.connect().await;
    for text in ["one", "two"] {
        listening.send(&mut peer, text).await;
    }
    let mut listening = Listening::start(&arguments).await;
    assert_eq!(listening.line().await.as_deref(), Some("one"));
    assert_eq!(listening.line().await.as_deref(), Some("two"));
    let (code, printed) = listening.end().await;
    assert_eq!(code, Some(0), "{printed}");
    let mut listening = Listening::start(&arguments).await;
    assert_eq!(listening.line().await, None, "all was acknowledged");
}

#[tokio::test]
async fn r8030_7_3_a_a_removed_subscription_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &[]);
    let state = dir.path().join("state.json");
    let mut listening = Listening::start(&[&server.origin, "--state", state.to_str().unwrap()]).await;
    let mut peer = server.connect().await;
    listening.send(&mut peer, "last").await;
    assert_eq!(listening.line().await.as_deref(), Some("last"));
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    let url = kept["subscriptionUrl"].as_str().unwrap();
    assert_eq!(peer.delete(url).await, StatusCode::NO_CONTENT);
    let (code, printed) = listening.end().await;
    assert_eq!(code, Some(4), "{printed}");
    assert!(printed.contains("--renew"), "{printed}");
}

#[tokio::test]
async fn events_arrive_over_http_2_if_tls_negotiates_it() {
    let dir = tempfile::tempdir().unwrap();
    let (key, cert) = certificate(dir.path());
    let server = Server::start_on(dir.path(), &["--key", &key, "--cert", &cert]);
    let state = dir.path().join("state.json");
    let state = state.to_str().unwrap();
    let arguments = [&server.origin, "--count", "2", "--state", state, "--ca-file", &cert];
    let mut listening = Listening::start(&arguments).await;
    for text in ["one", "two"] {
        let sent = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
            .args(["send", state, text, "--ca-file", &cert])
            .stdout(Stdio::null())
            .status();
        assert!(sent.await.unwrap().success());
        assert_eq!(listening.line().await.as_deref(), Some(text));
    }
    let (code, printed) = listening.end().await;
    assert_eq!(code, Some(0), "{printed}");
}
