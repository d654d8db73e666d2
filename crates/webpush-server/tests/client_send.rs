//! `send` and `keys` against a scripted service: requests, output and exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails ends its test")]

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use webpush_client::encryption::{AgentKeys, decrypt};
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;

struct ReceivedRequest {
    headers: HeaderMap,
    body: Bytes,
}

/// The last segment of the path is the status of the response.
async fn answer(
    request: Request<Incoming>,
    arrived: UnboundedSender<ReceivedRequest>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let status: u16 = head.uri.path().rsplit('/').next().unwrap().parse().unwrap();
    arrived.send(ReceivedRequest { headers: head.headers, body }).unwrap_or(());
    let response = Response::builder()
        .status(status)
        .header("location", "/message/m")
        .header("link", r#"</receipts/r>; rel="urn:ietf:params:push:receipt""#)
        .header("ttl", "30")
        .body(Full::from(r#"{"title":"A title","detail":"the reason."}"#))
        .unwrap();
    Ok(response)
}

async fn service() -> (String, UnboundedReceiver<ReceivedRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, arrived) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let sender = sender.clone();
            let service = service_fn(move |request| answer(request, sender.clone()));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    (url, arrived)
}

struct Desk {
    directory: TempDir,
    keys: AgentKeys,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), keys: AgentKeys::generate().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn subscription(&self, endpoint: &str) -> PathBuf {
        let endpoint = CapabilityUrl::parse(endpoint).unwrap();
        let subscription = PushSubscription { endpoint, keys: self.keys.recipient().clone() };
        let path = self.path("subscription.json");
        std::fs::write(&path, serde_json::to_string(&subscription.to_json()).unwrap()).unwrap();
        path
    }
}

async fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may have exited already.
    let _ = child.stdin.take().unwrap().write_all(input).await;
    child.wait_with_output().await.unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn r8030_5_a_message_arrives_as_it_was_meant() {
    let (url, mut arrived) = service().await;
    let desk = Desk::new();
    let subscription = desk.subscription(&format!("{url}/push/secret/202"));
    let key = desk.path("vapid.pem");
    let made = run(&["keys", "--out", text(&key)], b"").await;
    let public = String::from_utf8(made.stdout).unwrap();
    let sent = run(
        &[
            "send",
            text(&subscription),
            "-",
            "--ttl",
            "60",
            "--urgency",
            "high",
            "--topic",
            "t",
            "--receipt",
            "--vapid-key",
            text(&key),
            "--vapid-subject",
            "mailto:a@b.example",
        ],
        b"from \xff stdin\n",
    )
    .await;
    let stderr = String::from_utf8(sent.stderr).unwrap();
    assert_eq!(sent.status.code(), Some(0), "{stderr}");
    assert_eq!(String::from_utf8(sent.stdout).unwrap(), format!("{url}/message/m\n{url}/receipts/r\n"));
    assert!(stderr.contains("30 s instead of 60 s"), "{stderr}");
    let ReceivedRequest { headers, body } = arrived.recv().await.unwrap();
    assert_eq!(decrypt(&desk.keys, &body).unwrap(), b"from \xff stdin\n");
    for (name, value) in [("ttl", "60"), ("urgency", "high"), ("topic", "t"), ("prefer", "respond-async")] {
        assert_eq!(headers[name], value);
    }
    assert_eq!(headers["host"], url.strip_prefix("http://").unwrap());
    assert!(headers["authorization"].to_str().unwrap().ends_with(&format!(", k={}", public.trim())));
}

/// E7: `send` takes the JSON itself.
#[tokio::test]
async fn json_and_the_subscription_from_standard_input() {
    let (url, _arrived) = service().await;
    let desk = Desk::new();
    let subscription = std::fs::read(desk.subscription(&format!("{url}/201"))).unwrap();
    let input = [br#"{"subscription":"#.as_slice(), &subscription, b"}\n{\"message\":\"x\"}\n"].concat();
    let sent = run(&["send", "-", "hello", "--json"], &input).await;
    let printed: Value = serde_json::from_slice(&sent.stdout).unwrap();
    let (message, receipt) = (format!("{url}/message/m"), format!("{url}/receipts/r"));
    assert_eq!(printed, json!({"status": 201, "message": message, "receipt": receipt, "ttl": 30}));
}

#[tokio::test]
async fn every_refusal_has_its_exit_code_and_sentence() {
    let (url, _arrived) = service().await;
    let desk = Desk::new();
    for (status, code) in [(400, 3), (401, 3), (413, 3), (404, 4), (410, 4), (429, 6), (503, 6)] {
        let subscription = desk.subscription(&format!("{url}/push/secret/{status}"));
        let sent = run(&["send", text(&subscription), "hello"], b"").await;
        let stderr = String::from_utf8(sent.stderr).unwrap();
        assert_eq!(sent.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with(&format!("error: {url} refused the message: {status} ")), "{stderr}");
        assert!(stderr.ends_with(": the reason\n") && !stderr.contains("secret"), "{stderr}");
        assert!(sent.stdout.is_empty());
    }
}

#[tokio::test]
async fn local_failures() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let desk = Desk::new();
    let subscription = desk.subscription(&format!("http://{closed}/push/secret"));
    let large = "x".repeat(3994);
    for (arguments, code, expected) in [
        (&["send", text(&subscription), "hello"][..], 6, "cannot connect"),
        (&["send", text(&subscription), &large], 1, "3994 bytes"),
        (&["send", "-", "-"], 1, "only one of"),
        (&["send", "/nowhere.json", "x"], 1, "cannot read /nowhere.json"),
        (&["send", text(&subscription), "x", "--vapid-key", text(&subscription)], 1, "not a VAPID key"),
        (&["keys", "--out", text(&subscription)], 1, "already exists"),
        (&["send", text(&subscription)], 2, "<TEXT>"),
        (&["listen", &format!("http://{closed}")], 6, "cannot connect"),
    ] {
        let ran = run(arguments, b"").await;
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("secret"), "{stderr}");
    }
}

#[tokio::test]
async fn https_is_trusted_by_file_and_speaks_http2() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let desk = Desk::new();
    let ca_file = desk.path("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(socket) = acceptor.accept(socket).await else { continue };
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                // Before the body has arrived, as servers may do.
                let answer =
                    Response::builder().status(201).header("location", "/message/m").body(()).unwrap();
                respond.send_response(answer, true).unwrap();
            }
        }
    });
    let subscription = desk.subscription(&format!("https://localhost:{port}/push"));
    let sent = run(&["send", text(&subscription), "hello", "--ca-file", text(&ca_file)], b"").await;
    let stderr = String::from_utf8(sent.stderr).unwrap();
    let expected = format!("https://localhost:{port}/message/m\n");
    assert_eq!(String::from_utf8(sent.stdout).unwrap(), expected, "{stderr}");
    let sent = run(&["send", text(&subscription), "hello"], b"").await;
    let stderr = String::from_utf8(sent.stderr).unwrap();
    assert!([Some(1), Some(6)].contains(&sent.status.code()), "{stderr}");
    assert!(stderr.contains("--ca-file"), "{stderr}");
}
