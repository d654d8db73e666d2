//! The WebSocket handshake.

use crate::agent::{Agent, Frame, TEXT, frame, open};
use crate::support::{Server, header, soon};
use crate::tls;
use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(&server.address).await.unwrap()
}

/// Returns the head of the response to a request over HTTP/1.1, in lower case.
async fn head(server: &Server, request: &str) -> String {
    let mut stream = connect(server).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(soon("the head of an answer", stream.read_u8()).await.unwrap()));
    }
    head.to_lowercase()
}

#[tokio::test]
async fn the_subprotocol_is_echoed_only_if_offered() {
    let server = Server::start();
    for (offered, named) in [
        ("", false),
        ("Sec-WebSocket-Protocol: push-notification\r\n", true),
        ("Sec-WebSocket-Protocol: chat, push-notification\r\n", true),
        ("Sec-WebSocket-Protocol: chat\r\n", false),
    ] {
        let (head, agent) = open(connect(&server).await, "/", offered).await;
        let head = head.to_lowercase();
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
        assert_eq!(head.contains("sec-websocket-protocol: push-notification\r\n"), named, "{head}");
        agent.unwrap().hello(None).await;
    }
}

#[tokio::test]
async fn compression_is_not_negotiated_and_not_accepted() {
    let server = Server::start();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (head, agent) = open(connect(&server).await, "/", offer).await;
    assert!(!head.to_lowercase().contains("sec-websocket-extensions"), "{head}");
    let mut agent = agent.unwrap();
    agent.hello(None).await;
    // `{}`, compressed although no extension was negotiated.
    agent.send(&frame(0xc1, b"\xaa\xae\x05\x00")).await;
    agent.assert_closed(1002, "no extension was negotiated").await;
}

#[tokio::test]
async fn frames_sent_before_the_handshake_response_are_not_lost() {
    // Sunup sends hello before the handshake is complete.
    let server = Server::start();
    let mut stream = connect(&server).await;
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let hello = frame(TEXT, json!({"messageType": "hello"}).to_string().as_bytes());
    stream.write_all(&[request.as_bytes(), &hello].concat()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the head of an answer", stream.read_u8()).await.unwrap());
    }
    let Some(Frame::Text(reply)) = Agent::on(stream).next().await else { panic!("no text") };
    assert!(reply.contains("\"status\":200"), "{reply}");
}

#[tokio::test]
async fn without_an_upgrade_there_is_the_front_page() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let response = peer.get("/", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let page = header(&response, "content-type").to_owned();
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let head = head(&server, request).await;
        assert!(head.contains(" 200 ") && head.contains(&page), "{request}{head}");
    }
}

#[tokio::test]
async fn an_invalid_handshake_is_refused_with_the_reason() {
    let server = Server::start();
    let upgrade = "Host: x\r\nUpgrade: websocket\r\n";
    let connection = "Connection: Upgrade\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (line, headers, status) in [
        ("GET /", vec![upgrade, connection, key], "426"),
        ("GET /", vec![upgrade, connection, key, "Sec-WebSocket-Version: 8\r\n"], "426"),
        ("GET /", vec![upgrade, version, key], "400"),
        ("GET /", vec![upgrade, connection, version], "400"),
        ("GET /", vec![upgrade, connection, version, "Sec-WebSocket-Key: c2hvcnQ=\r\n"], "400"),
        ("GET /nowhere", vec![upgrade, connection, version, key], "404"),
        ("POST /", vec![upgrade, connection, version, key], "405"),
    ] {
        let request = format!("{line} HTTP/1.1\r\n{}\r\n", headers.concat());
        let head = head(&server, &request).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request}{head}");
        assert!(head.contains("application/problem+json"), "{head}");
        assert_eq!(head.contains("sec-websocket-version: 13\r\n"), status == "426", "{head}");
    }
}

#[tokio::test]
async fn agents_are_also_served_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let files = tls::files(dir.path());
    let server = Server::start_with(&["--key", &files.key, "--cert", &files.cert]);
    let stream = tls::connect(&server, &files, &[b"http/1.1"]).await;
    let mut agent = open(stream, "/", "").await.1.unwrap();
    let uaid = agent.hello(None).await;
    let push = agent.register(0).await;
    assert!(push.starts_with(&format!("{}/push/", server.origin)), "{push}");
    let (mut send, connection) =
        h2::client::handshake(tls::connect(&server, &files, &[b"h2"]).await).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(&push).header("ttl", "60").body(()).unwrap();
    let (response, mut body) = send.send_request(request, false).unwrap();
    // More than fits into one TLS record.
    body.send_data("x".repeat(4096).into(), true).unwrap();
    assert_eq!(soon("an answer", response).await.unwrap().status(), StatusCode::CREATED);
    let message = agent.notification().await;
    assert_eq!(message.text, "x".repeat(4096));
    agent.send_text(json!({"no": "object"}).to_string() + "x").await;
    agent.assert_closed(1007, "cannot be parsed").await;
    let stream = tls::connect(&server, &files, &[]).await;
    let mut agent = open(stream, "/", "").await.1.unwrap();
    assert_eq!(agent.hello(Some(&uaid)).await, uaid);
    assert_eq!(agent.notification().await.version, message.version);
}

#[tokio::test]
async fn a_handshake_whose_body_never_arrives_times_out() {
    let server = Server::start_with(&["--hello-timeout", "1s"]);
    for body in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut agent = open(connect(&server).await, "/", body).await.1.unwrap();
        agent.assert_closed(1008, "hello was not received in time").await;
    }
}
