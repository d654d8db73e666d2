//! Delivery on MCS connections.

use super::device::{Device, Mcs, SUBTYPE, form, push};
use super::start;
use crate::support::{Http2Client, Server, refused};
use crate::tls;
use http::StatusCode;
use tokio::net::TcpStream;
use webpush_client::vapid::VapidKey;

/// A device with a subscription.
struct Subscribed {
    server: Server,
    peer: Http2Client,
    device: Device,
    key: VapidKey,
    token: String,
}

impl Subscribed {
    async fn new(args: &[&str]) -> Self {
        let server = start(args);
        let mut peer = server.connect().await;
        let (device, key) = (Device::new(&mut peer).await, VapidKey::generate().unwrap());
        let token = device.subscribe(&mut peer, &key).await;
        Self { server, peer, device, key, token }
    }

    async fn push(&mut self, body: &'static str) {
        assert_eq!(push(&mut self.peer, &self.token, &self.key, body).await, StatusCode::CREATED);
    }

    async fn log_in(&self, received: &[&str]) -> Mcs {
        Mcs::log_in(&self.server, self.device, received).await
    }
}

#[tokio::test]
async fn messages_arrive_live_with_the_names_of_their_subscription() {
    let mut all = Subscribed::new(&[]).await;
    let mut mcs = all.log_in(&[]).await;
    all.push("one").await;
    let message = mcs.message().await;
    assert_eq!((&*message.text, &*message.subtype), ("one", SUBTYPE));
    assert_eq!(message.sender, all.key.public());
    assert!(!message.id.is_empty());
    mcs.heartbeat().await;
}

#[tokio::test]
async fn a_stream_acknowledgement_ends_messages() {
    let mut all = Subscribed::new(&[]).await;
    let mut mcs = all.log_in(&[]).await;
    all.push("one").await;
    all.push("two").await;
    assert_eq!((mcs.message().await.text, mcs.message().await.text), ("one".into(), "two".into()));
    // The login response is the first frame.
    mcs.acknowledge(2).await;
    mcs.heartbeat().await;
    let mut again = all.log_in(&[]).await;
    assert_eq!(again.message().await.text, "two");
}

#[tokio::test]
async fn the_next_login_acknowledges_what_arrived_before() {
    let mut all = Subscribed::new(&[]).await;
    let mut mcs = all.log_in(&[]).await;
    for text in ["one", "two", "three"] {
        all.push(text).await;
    }
    let (one, two) = (mcs.message().await, mcs.message().await);
    assert_eq!(two.text, "two");
    drop(mcs);
    let mut mcs = all.log_in(&[&one.id, "unknown"]).await;
    assert_eq!((mcs.message().await, mcs.message().await.text), (two, "three".to_owned()));
}

#[tokio::test]
async fn a_device_cannot_acknowledge_messages_of_another() {
    let mut all = Subscribed::new(&[]).await;
    all.push("one").await;
    let id = all.log_in(&[]).await.message().await.id;
    let stranger = Device::new(&mut all.peer).await;
    drop(Mcs::log_in(&all.server, stranger, &[&id]).await);
    assert_eq!(all.log_in(&[]).await.message().await.id, id);
}

#[tokio::test]
async fn stored_messages_arrive_after_a_restart_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--chromium", "127.0.0.1:0", "--plaintext"];
    let server = Server::start_on(dir.path(), &args);
    let mut peer = server.connect().await;
    let (device, key) = (Device::new(&mut peer).await, VapidKey::generate().unwrap());
    let token = device.subscribe(&mut peer, &key).await;
    assert_eq!(push(&mut peer, &token, &key, "one").await, StatusCode::CREATED);
    server.kill();
    let server = Server::start_on(dir.path(), &args);
    let message = Mcs::log_in(&server, device, &[]).await.message().await;
    assert_eq!((&*message.text, &*message.subtype), ("one", SUBTYPE));
    let mut peer = server.connect().await;
    assert_eq!(device.subscribe(&mut peer, &key).await, token);
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let mut all = Subscribed::new(&[]).await;
    let mut older = all.log_in(&[]).await;
    let mut newer = all.log_in(&[]).await;
    assert_eq!(older.frame().await, Some((4, vec![])), "a close");
    assert_eq!(older.frame().await, None);
    all.push("one").await;
    assert_eq!(newer.message().await.text, "one");
}

#[tokio::test]
async fn unknown_devices_and_other_protocols_are_refused() {
    let server = start(&[]);
    let mut mcs = Mcs::connect(&server).await;
    mcs.send_login(Device { android_id: 1, security_token: 2 }, &[]).await;
    assert_eq!(mcs.login_error().await, Some(401));
    assert_eq!(mcs.frame().await, None);
    let mut mcs = Mcs::connect(&server).await;
    mcs.send(71, b"ET / HTTP/1.1").await;
    assert_eq!(mcs.frame().await, None, "no response");
}

#[tokio::test]
async fn a_removed_subscription_ends_its_messages() {
    let mut all = Subscribed::new(&[]).await;
    all.push("one").await;
    let removal = format!("{}&delete=true", form(SUBTYPE, &all.key.public()));
    assert_eq!(all.device.post(&mut all.peer, removal).await.0, StatusCode::OK);
    let mut mcs = all.log_in(&[]).await;
    mcs.heartbeat().await;
    all.token = all.device.subscribe(&mut all.peer, &all.key).await;
    all.push("two").await;
    assert_eq!(mcs.message().await.text, "two");
}

#[tokio::test]
async fn connections_are_closed_when_the_server_stops() {
    let all = Subscribed::new(&[]).await;
    let mut mcs = all.log_in(&[]).await;
    all.server.signal("TERM");
    assert_eq!(mcs.frame().await, Some((4, vec![])), "a close");
    drop(mcs);
    assert!(all.server.wait().await);
}

#[tokio::test]
async fn chromium_connects_with_the_certificate_of_the_public_port() {
    let dir = tempfile::tempdir().unwrap();
    let files = tls::files(dir.path());
    let server =
        Server::start_with(&["--chromium", "127.0.0.1:0", "--key", &files.key, "--cert", &files.cert]);
    let stream = TcpStream::connect(&server.mcs).await.unwrap();
    let mut mcs = Mcs::on(tls::handshake(stream, &files, &[]).await.unwrap());
    mcs.send_login(Device { android_id: 1, security_token: 2 }, &[]).await;
    assert_eq!(mcs.login_error().await, Some(401));
}

#[tokio::test]
async fn without_tls_the_listener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(dir.path(), &["--chromium", "127.0.0.1:0"]);
    assert!(error.contains("--chromium") && error.contains("--key and --cert"), "{error}");
}
