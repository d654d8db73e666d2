//! Monitoring (RFC 8030 §6, §7.3), beyond the checks of the conformance suite.

use crate::support::{Server, header, link};
use http::StatusCode;

const PUSH: &str = "urn:ietf:params:push";

/// The RFC has the link on the promised request, and its example on the response.
#[tokio::test]
async fn r8030_6_e_6_1_b_a_backlog_of_hundreds_on_a_set_arrives_in_order_with_its_links_on_both() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let one = peer.subscribe().await;
    let two = peer.subscribe_in(&one.set).await;
    let mut sent = Vec::new();
    for number in 0..300 {
        let push = if number % 3 == 0 { &one.push } else { &two.push };
        sent.push((peer.push(push, "x").await, push.clone(), push.clone()));
    }
    let (pushes, _) = peer.drain(&one.set).await;
    let found = pushes.iter().map(|pushed| {
        (pushed.url(), link(pushed.request.headers(), PUSH), link(pushed.response.headers(), PUSH))
    });
    assert_eq!(found.collect::<Vec<_>>(), sent);
}

#[tokio::test]
async fn r8030_6_h_r7240_a_wait_1_ends_after_a_second_and_is_named() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let response = peer.get(&urls.subscription, &[("prefer", "wait=1")]).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "preference-applied"), "wait=1");
}

#[tokio::test]
async fn r8030_7_3_a_monitors_end_although_whoever_removed_it_hung_up() {
    use tokio::io::AsyncWriteExt as _;
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    for _ in 0..10 {
        let urls = peer.subscribe().await;
        let monitor = agent.monitor(&urls.subscription, &[]).await;
        assert_eq!(agent.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
        let path = urls.subscription.strip_prefix(&server.origin).unwrap();
        let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(format!("DELETE {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        drop(stream);
        // The request may fail with its connection, but not partially.
        if peer.drain(&urls.subscription).await.1 == StatusCode::NOT_FOUND {
            assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
        }
    }
}
