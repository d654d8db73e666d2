//! Clients that try to take the service from the others.
//!
//! They do it by work, by memory, and by holding connections.
//!
//! Each test counts requests, or the memory of the process, and none looks at a clock.

use crate::admin::ask;
use crate::raw::{ACK, HEADERS, NO_WINDOW, PING, PUSH_PROMISE, RST_STREAM, RawPeer, WHOLE_REQUEST};
use crate::support::{Server, soon};
use http::Method;
use std::fs;
use tokio::net::TcpStream;

const BODY: [u8; 4000] = [b'x'; 4000];
/// END_HEADERS without END_STREAM: a body should follow.
const BODY_FOLLOWS: u8 = 4;
const STREAMS: u32 = 256;
/// The indexed field `:status: 200` (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;

fn path<'a>(server: &Server, url: &'a str) -> &'a str {
    url.strip_prefix(&server.origin).unwrap()
}

/// Memory of the server in KiB.
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Counts the frames of a kind that come before the answer to a PING.
async fn count_now(peer: &mut RawPeer, kind: u8) -> usize {
    peer.send(PING, 0, 0, b"count-it").await.unwrap();
    let mut count = 0;
    loop {
        let frame = peer.next().await.expect("the connection stays");
        if frame.kind == PING && frame.flags & ACK != 0 && frame.payload == b"count-it" {
            return count;
        }
        count += usize::from(frame.kind == kind);
    }
}

/// A subscription set with two subscriptions, the first of which has many messages.
async fn crowded_inbox(server: &Server, messages: usize) -> (String, String) {
    let mut peer = server.connect().await;
    let crowded = peer.subscribe().await;
    let other = peer.subscribe_in(&crowded.set).await;
    for _ in 0..messages {
        let response = peer.request(Method::POST, &crowded.push, &[("ttl", "600")], BODY.to_vec()).await;
        assert_eq!(response.status(), 201);
    }
    (crowded.push, other.subscription)
}

#[tokio::test]
async fn a1_reads_that_look_through_an_inbox_take_turns_with_senders() {
    let server = Server::start();
    let (push, empty) = crowded_inbox(&server, 300).await;
    let mut greedy = RawPeer::connect(&server.address, &[]).await;
    for number in 0..STREAMS / 2 {
        let mut block = greedy.request("GET", path(&server, &empty));
        RawPeer::add_header(&mut block, "prefer", "wait=0");
        greedy.send(HEADERS, WHOLE_REQUEST, 1 + 2 * number, &block).await.unwrap();
    }
    let mut honest = server.connect().await;
    honest.push(&push, "in the middle of it").await;
    let answered = count_now(&mut greedy, HEADERS).await;
    assert!(answered < 96, "{answered} of 128 reads came before one message");
    let mut rest = 128 - answered;
    while rest > 0 {
        rest -= usize::from(greedy.next().await.expect("every read gets a response").kind == HEADERS);
    }
}

#[tokio::test]
async fn a1_the_newest_message_of_a_channel_is_found_behind_many_others() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let (quiet, busy) = crate::legacy::two_channels(&server, &mut peer).await;
    crate::legacy::send(&mut peer, &quiet.1, "the one").await;
    for _ in 0..200 {
        crate::legacy::send(&mut peer, &busy.1, "another").await;
    }
    let found = peer.get(&quiet.0, &[]).await;
    assert_eq!(found.body(), "the one");
}

#[tokio::test]
async fn a2_monitors_without_a_window_share_the_memory_of_one_connection() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for _ in 0..34 {
        let response = peer.request(Method::POST, &urls.push, &[("ttl", "600")], BODY.to_vec()).await;
        assert_eq!(response.status(), 201);
    }
    let before = resident(&server);
    let mut greedy = RawPeer::connect(&server.address, NO_WINDOW).await;
    for number in 0..STREAMS {
        greedy.get(1 + 2 * number, path(&server, &urls.subscription)).await;
    }
    for _ in 0..2 {
        greedy.next_of(PUSH_PROMISE).await;
    }
    let mut promises = 2;
    for _ in 0..5 {
        promises += count_now(&mut greedy, PUSH_PROMISE).await;
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(promises < 16, "{promises} monitors hold a page");
    assert!(grown < 16 * 1024, "256 monitors took {grown} KiB");
}

#[tokio::test]
async fn a2_one_address_cannot_hold_the_memory_for_pages_on_many_connections() {
    let server = Server::start_with(&["--trusted-proxies", "127.0.0.1"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for _ in 0..20 {
        let response = peer.request(Method::POST, &urls.push, &[("ttl", "600")], BODY.to_vec()).await;
        assert_eq!(response.status(), 201);
    }
    let mut connections = Vec::new();
    for _ in 0..80 {
        let mut greedy = RawPeer::connect(&server.address, NO_WINDOW).await;
        for number in 0..4 {
            let mut block = greedy.request("GET", path(&server, &urls.subscription));
            RawPeer::add_header(&mut block, "x-forwarded-for", "192.0.2.1");
            greedy.send(HEADERS, WHOLE_REQUEST, 1 + 2 * number, &block).await.unwrap();
        }
        connections.push(greedy);
    }
    // 320 pages of 64 KiB are more than the 16 MiB of one network.
    connections.last_mut().unwrap().next_of(HEADERS).await;
    let mut honest = RawPeer::connect(&server.address, NO_WINDOW).await;
    let mut block = honest.request("GET", path(&server, &urls.subscription));
    RawPeer::add_header(&mut block, "x-forwarded-for", "192.0.2.2");
    honest.send(HEADERS, WHOLE_REQUEST, 1, &block).await.unwrap();
    honest.next_of(PUSH_PROMISE).await;
}

/// Pages of event streams count like those of monitors.
#[tokio::test]
async fn a2_one_address_cannot_hold_the_memory_for_pages_with_event_streams() {
    let server = Server::start_with(&["--trusted-proxies", "127.0.0.1"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for _ in 0..20 {
        let response = peer.request(Method::POST, &urls.push, &[("ttl", "600")], BODY.to_vec()).await;
        assert_eq!(response.status(), 201);
    }
    let listen = async |client: &str, streams: u32| {
        let mut peer = RawPeer::connect(&server.address, NO_WINDOW).await;
        let mut begun = 0;
        for number in 0..streams {
            let mut block = peer.request("GET", path(&server, &urls.subscription));
            RawPeer::add_header(&mut block, "accept", "text/event-stream");
            RawPeer::add_header(&mut block, "x-forwarded-for", client);
            peer.send(HEADERS, WHOLE_REQUEST, 1 + 2 * number, &block).await.unwrap();
            begun += usize::from(peer.next_of(HEADERS).await.payload[0] == STATUS_200);
        }
        (peer, begun)
    };
    let mut connections = Vec::new();
    let mut begun = 0;
    for _ in 0..120 {
        let (peer, more) = listen("192.0.2.1", 3).await;
        connections.push(peer);
        begun += more;
    }
    // 360 pages of 64 KiB are more than the 16 MiB of one network.
    assert!((200..300).contains(&begun), "{begun} event streams hold a page");
    assert_eq!(listen("192.0.2.2", 1).await.1, 1, "another network has its own share");
}

#[tokio::test]
async fn a2_the_heads_of_a_connection_are_bounded() {
    let server = Server::start();
    let mut honest = server.connect().await;
    honest.subscribe().await;
    let before = resident(&server);
    let mut connections = Vec::new();
    for _ in 0..8 {
        let mut greedy = RawPeer::connect(&server.address, &[]).await;
        for number in 0..STREAMS {
            let mut block = greedy.request("POST", "/nowhere");
            if number == 0 {
                // A literal that enters the table (RFC 7541 §6.2.1), and is named by one byte from then on.
                block.extend_from_slice(b"\x40\x01x\x01y");
            }
            block.extend_from_slice(&[0x80 | 62; 400]);
            greedy.send(HEADERS, BODY_FOLLOWS, 1 + 2 * number, &block).await.unwrap();
        }
        for _ in 0..200 {
            greedy.next_of(RST_STREAM).await;
        }
        connections.push(greedy);
    }
    // One connection takes 11 MiB for a moment, until its requests are refused.
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 32 * 1024, "8 connections with {STREAMS} heads each took {grown} KiB");
    honest.subscribe().await;
}

#[tokio::test]
async fn a4_idle_sockets_do_not_keep_health_checks_out() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(&server.admin).await.unwrap());
    }
    for _ in 0..3 {
        assert_eq!(soon("the health check", ask(&server.admin, "GET", "/ready", "")).await.0, 200);
    }
}
