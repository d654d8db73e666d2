//! Clients behind proxies that use the PROXY protocol.

use crate::support::{Server, soon};
use crate::tls::{Files, files, handshake};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A rate of one registration per address.
const ARGS: [&str; 5] =
    ["--register-rate", "1/h:1", "--proxy-protocol", "--trusted-proxies", "127.0.0.1,10.0.0.9"];

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 1, for a client of IPv4.
fn text(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.1 4711 443\r\n").into_bytes()
}

/// Builds a header of version 2 with these addresses.
fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let rest = [addresses, &[0x04, 0, 2, 0, 0]].concat();
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[0x20 | command, family], &length, &rest].concat()
}

fn binary_v4(client: [u8; 4]) -> Vec<u8> {
    binary(1, 0x11, &[&client[..], &[198, 51, 100, 1], &[18, 103, 1, 187]].concat())
}

async fn connected(server: &Server, header: &[u8]) -> TcpStream {
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The server may have closed the connection already.
    let _ = stream.write_all(header).await;
    stream
}

/// Subscribes over HTTP/1.1; returns the status, or `None` if there is no response.
async fn subscribe(mut stream: impl AsyncRead + AsyncWrite + Unpin, headers: &str) -> Option<u16> {
    let head = format!(
        "POST /subscribe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = soon("an answer or the end", stream.read_to_end(&mut answer)).await;
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

#[tokio::test]
async fn the_client_address_is_that_in_the_header() {
    let server = Server::start_with(&ARGS);
    let v6 = |last: u8| {
        let mut addresses = [0; 36];
        addresses[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        addresses[15] = last;
        binary(1, 0x21, &addresses)
    };
    for (header, status) in [
        (text("192.0.2.1"), 201),
        (text("192.0.2.1"), 429),
        (binary_v4([192, 0, 2, 1]), 429),
        (binary_v4([192, 0, 2, 2]), 201),
        (text("192.0.2.2"), 429),
        (v6(1), 201),
        (v6(2), 429),
        (b"PROXY TCP6 2001:db8::3 2001:db8::ffff 1 443\r\n".to_vec(), 429),
    ] {
        let stream = connected(&server, &header).await;
        assert_eq!(
            subscribe(stream, "X-Forwarded-For: 192.0.2.99\r\n").await,
            Some(status),
            "{}",
            header.escape_ascii()
        );
    }
    // Connections of the proxy itself have its own address, which is local.
    for header in
        [&b"PROXY UNKNOWN\r\n"[..], &binary(0, 0, &[]), &binary(0, 0x11, &[0; 12]), &binary(1, 0, &[])]
    {
        for _ in 0..2 {
            let stream = connected(&server, header).await;
            assert_eq!(subscribe(stream, "X-Forwarded-For: 192.0.2.1\r\n").await, Some(201));
        }
    }
}

#[tokio::test]
async fn the_header_can_arrive_in_pieces_and_with_data() {
    let server = Server::start_with(&ARGS);
    for (client, header) in [(1, text("192.0.2.1")), (2, binary_v4([192, 0, 2, 2]))] {
        let mut stream = connected(&server, &[]).await;
        stream.set_nodelay(true).unwrap();
        for byte in &header {
            stream.write_all(std::slice::from_ref(byte)).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(subscribe(stream, "").await, Some(201), "{client}");
        let request =
            b"POST /subscribe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let mut stream = connected(&server, &[&header[..], request].concat()).await;
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429 "), "{client}: {answer}");
    }
}

#[tokio::test]
async fn tls_and_http2_follow_the_header() {
    let server = Server::start_with(&ARGS);
    let stream = connected(&server, &text("192.0.2.1")).await;
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for status in [201, 429] {
        let request = http::Request::post(format!("http://{}/subscribe", server.address)).body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        assert_eq!(soon("a response", response).await.unwrap().status(), status);
    }

    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let Files { key, cert, .. } = &files;
    let server = Server::start_with(&[&ARGS[..], &["--key", key, "--cert", cert]].concat());
    for (header, status) in
        [(text("192.0.2.1"), 201), (binary_v4([192, 0, 2, 1]), 429), (binary_v4([192, 0, 2, 2]), 201)]
    {
        let stream = connected(&server, &header).await;
        let stream = handshake(stream, &files, &[b"http/1.1"]).await.unwrap();
        assert_eq!(subscribe(stream, "").await, Some(status));
    }
    let stream = connected(&server, &[]).await;
    assert!(handshake(stream, &files, &[b"http/1.1"]).await.is_err(), "without a PROXY");
}

#[tokio::test]
async fn only_another_proxy_can_override_the_address() {
    let server = Server::start_with(&ARGS);
    // 10.0.0.9 is a trusted proxy too, so its header counts.
    for (header, forwarded, status) in [
        (text("10.0.0.9"), "192.0.2.1", 201),
        (text("10.0.0.9"), "192.0.2.1", 429),
        (text("10.0.0.9"), "192.0.2.9, 192.0.2.1", 429),
        (text("10.0.0.9"), "192.0.2.2", 201),
        (text("192.0.2.2"), "192.0.2.3", 429),
    ] {
        let stream = connected(&server, &header).await;
        assert_eq!(
            subscribe(stream, &format!("X-Forwarded-For: {forwarded}\r\n")).await,
            Some(status),
            "{forwarded}"
        );
    }
}

#[tokio::test]
async fn without_a_header_and_from_others_nothing_is_taken() {
    let log = ["--log-level", "warn"];
    let server = Server::start_with_log(&[&ARGS[..], &log].concat());
    for header in
        [&b""[..], b"PROXY TCP4 nobody 198.51.100.1 1 2\r\n", &binary(1, 0x11, &[0; 3]), &[b'x'; 3000]]
    {
        assert_eq!(subscribe(connected(&server, header).await, "").await, None);
    }
    assert_eq!(subscribe(connected(&server, &text("192.0.2.1")).await, "").await, Some(201), "it goes on");
    server.logged(&["WARN", "without a PROXY protocol header"]).await;
    assert_eq!(server.log().matches("without a PROXY").count(), 1, "{}", server.log());

    let strangers = ["--proxy-protocol", "--trusted-proxies", "192.0.2.1"];
    let server = Server::start_with_log(&[&strangers[..], &log].concat());
    assert_eq!(subscribe(connected(&server, &text("192.0.2.1")).await, "").await, None);
    server.logged(&["WARN", "not in --trusted-proxies"]).await;
}

#[tokio::test]
async fn where_it_is_not_expected_it_is_no_request() {
    let server = Server::start_with(&["--trusted-proxies", "127.0.0.1"]);
    for header in [text("192.0.2.1"), binary_v4([192, 0, 2, 1])] {
        assert_ne!(subscribe(connected(&server, &header).await, "").await, Some(201));
    }
}

#[tokio::test]
async fn connections_are_limited_per_address() {
    let server = Server::start_with(&[&ARGS[2..], &["--max-connections-per-address", "2"]].concat());
    // One response shows that the connection was counted. It stays open.
    let held = async |client: &str| {
        let mut stream = connected(&server, &text(client)).await;
        let _ = stream.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut first = [0; 12];
        soon("an answer or the end", stream.read_exact(&mut first)).await.ok()?;
        Some(stream)
    };
    let (one, two) = (held("192.0.2.1").await, held("192.0.2.1").await);
    assert!(one.is_some() && two.is_some());
    assert!(held("192.0.2.1").await.is_none(), "a third one");
    assert!(held("192.0.2.2").await.is_some(), "of another address");
    drop(one);
    soon("the place of the one that went", async { while held("192.0.2.1").await.is_none() {} }).await;
    for _ in 0..3 {
        let stream = connected(&server, b"PROXY UNKNOWN\r\n").await;
        assert_eq!(subscribe(stream, "").await, Some(201), "this machine is not counted");
    }
}
