//! Peers that stop, stall or send too much. The timeouts are short here.

use crate::raw::{ACK, GOAWAY, HEADERS, NO_WINDOW, PING, PUSH_PROMISE, RST_STREAM, RawPeer, WHOLE_REQUEST};
use crate::support::{Server, soon, texts};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// CANCEL (RFC 9113 §7).
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// ENHANCE_YOUR_CALM.
const CALM: [u8; 4] = [0, 0, 0, 11];

fn path<'a>(server: &Server, url: &'a str) -> &'a str {
    url.strip_prefix(&server.origin).unwrap()
}

/// Returns the HTTP/1.1 response. The server may reset the connection if it did not read everything.
async fn answer_to(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon("the end of the connection", stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn h2_i_a_peer_that_is_dead_is_not_listening() {
    let server = Server::start_with(&["--keepalive", "1s"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let mut dead = RawPeer::connect(&server.address, &[]).await;
    dead.get(1, path(&server, &urls.subscription)).await;
    peer.push(&urls.push, "it listens").await;
    dead.next_of(PUSH_PROMISE).await;
    dead.next_of(PING).await;
    // Its removal ends the monitor.
    while let Some(frame) = dead.next().await {
        assert_ne!(frame.kind, PUSH_PROMISE);
    }
    peer.push_with(&urls.push, &[("ttl", "0")], "to nobody").await;
    assert_eq!(texts(&peer.drain(&urls.subscription).await.0), ["it listens"]);
}

#[tokio::test]
async fn h2_i_a_peer_that_answers_stays() {
    let server = Server::start_with(&["--keepalive", "3s"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let mut agent = RawPeer::connect(&server.address, &[]).await;
    agent.get(1, path(&server, &urls.subscription)).await;
    for _ in 0..2 {
        let ping = agent.next_of(PING).await;
        assert_eq!(ping.flags & ACK, 0);
        agent.send(PING, ACK, 0, &ping.payload).await.unwrap();
    }
    peer.push_with(&urls.push, &[("ttl", "0")], "now").await;
    agent.next_of(PUSH_PROMISE).await;
}

#[tokio::test]
async fn h2_j_a_connection_ends_in_order_before_its_stream_ids_do() {
    let server = Server::start_with(&["--last-promised-stream", "4"]);
    let (mut agent, mut peer) = (server.connect().await, server.connect().await);
    let urls = peer.subscribe().await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    for text in ["one", "two"] {
        peer.push(&urls.push, text).await;
        assert_eq!(monitor.next().await.text(), text);
    }
    assert!(monitor.end().await.status().is_success());
    assert!(agent.closed().await.is_ok(), "GOAWAY without an error");
    let mut again = server.connect().await;
    let mut monitor = again.monitor(&urls.subscription, &[]).await;
    assert_eq!(monitor.next().await.text(), "one");
}

#[tokio::test]
async fn h2_h_a_push_that_nobody_takes_is_reset_and_kept() {
    let server = Server::start_with(&["--stall-timeout", "1s"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let mut stalled = RawPeer::connect(&server.address, NO_WINDOW).await;
    stalled.get(1, path(&server, &urls.subscription)).await;
    peer.push(&urls.push, "wanted later").await;
    let promise = stalled.next_of(PUSH_PROMISE).await;
    let reset = stalled.next_of(RST_STREAM).await;
    assert_eq!((&reset.stream.to_be_bytes()[..], &reset.payload[..]), (&promise.payload[..4], &CANCEL[..]));
    // The monitor itself continues.
    peer.push(&urls.push, "second").await;
    stalled.next_of(PUSH_PROMISE).await;
    assert_eq!(texts(&peer.drain(&urls.subscription).await.0), ["wanted later", "second"]);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_disconnected() {
    let server = Server::start_with(&["--stall-timeout", "1s"]);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address.parse().unwrap()).await.unwrap();
    let flood = async {
        let requests = "GET /errors HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        while stream.write_all(requests.as_bytes()).await.is_ok() {}
    };
    soon("the end of a connection that is not read", flood).await;
    server.connect().await.subscribe().await;
}

#[tokio::test]
async fn request_heads_and_bodies_have_timeouts() {
    let server = Server::start_with(&["--head-timeout", "1s", "--body-timeout", "1s"]);
    let urls = server.connect().await.subscribe().await;
    assert!(!answer_to(&server.address, "GET / HTTP/1.1\r\nHost:").await.contains(" 200 "));
    let path = path(&server, &urls.push);
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTTL: 1\r\nContent-Length: 9\r\n\r\nx");
    let answer = answer_to(&server.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("body-incomplete"), "{answer}");
}

#[tokio::test]
async fn r6585_5_too_many_bytes_of_headers_are_431() {
    let server = Server::start();
    let large = "x".repeat(20_000);
    let mut peer = server.connect().await;
    let response = peer.get("/", &[("x", &large)]).await;
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    peer.subscribe().await;
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {large}\r\n\r\n");
    assert!(answer_to(&server.address, &request).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_immediately() {
    let server = Server::start_with(&["--max-connections", "1"]);
    let mut first = server.connect().await;
    first.subscribe().await;
    let mut second = TcpStream::connect(&server.address).await.unwrap();
    let read = soon("the end", second.read(&mut [0; 1])).await;
    assert!(read.map_or(true, |length| length == 0));
    first.subscribe().await;
    first.hang_up();
    let comes_in = async {
        loop {
            let mut raw = RawPeer::connect(&server.address, &[]).await;
            if raw.next().await.is_some() {
                return;
            }
        }
    };
    soon("a free place", comes_in).await;
}

#[tokio::test]
async fn a_peer_that_resets_all_requests_is_disconnected() {
    let server = Server::start();
    let mut peer = RawPeer::connect(&server.address, &[]).await;
    let request = peer.request("POST", "/subscribe");
    let flood = async {
        // Each request waits for its body, which never arrives.
        for stream in (1..200_000).step_by(2) {
            if peer.send(HEADERS, WHOLE_REQUEST - 1, stream, &request).await.is_err()
                || peer.send(RST_STREAM, 0, stream, &CANCEL).await.is_err()
            {
                return;
            }
        }
        panic!("a hundred thousand resets were taken");
    };
    soon("the end of a flood", flood).await;
    server.connect().await.subscribe().await;
}

#[tokio::test]
async fn a_peer_that_resets_active_requests_is_disconnected() {
    let server = Server::start();
    let mut peer = RawPeer::connect(&server.address, &[]).await;
    let request = peer.request("POST", "/subscribe");
    let mut streams = (1..).step_by(2);
    for _ in 0..300 {
        let batch: Vec<u32> = streams.by_ref().take(15).collect();
        let sent = async {
            for stream in &batch {
                peer.send(HEADERS, WHOLE_REQUEST - 1, *stream, &request).await?;
            }
            peer.send(PING, 0, 0, b"at work?").await
        };
        if sent.await.is_err() {
            return;
        }
        // The answer to the PING shows that the requests have arrived.
        loop {
            match peer.next().await {
                Some(frame) if frame.kind == PING => break,
                Some(frame) if frame.kind == GOAWAY => return assert_eq!(frame.payload[4..8], CALM),
                Some(_) => {}
                None => return,
            }
        }
        for stream in batch {
            let _ = peer.send(RST_STREAM, 0, stream, &CANCEL).await;
        }
    }
    panic!("thousands of resets were taken");
}

#[tokio::test]
async fn endless_headers_end_the_connection() {
    const CONTINUATION: u8 = 9;
    let server = Server::start();
    let mut peer = RawPeer::connect(&server.address, &[]).await;
    let request = peer.request("GET", "/");
    peer.send(HEADERS, 1, 1, &request).await.unwrap();
    let flood = async {
        // A literal of one letter, repeated.
        let more = b"\0\x01x\x01y".repeat(3000);
        for _ in 0..10_000 {
            if peer.send(CONTINUATION, 0, 1, &more).await.is_err() {
                return;
            }
        }
        panic!("150 MB of headers were taken");
    };
    soon("the end of a flood", flood).await;
    while let Some(frame) = peer.next().await {
        assert_ne!(frame.kind, HEADERS, "no answer to half a request");
        if frame.kind == GOAWAY {
            break;
        }
    }
    server.connect().await.subscribe().await;
}
