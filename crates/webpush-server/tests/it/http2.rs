//! Server push under the rules of HTTP/2 (RFC 9113).

use crate::support::{Server, Subscription, texts};
use http::{Method, StatusCode};
use std::collections::BTreeSet;

#[tokio::test]
async fn h2_a_a_client_without_push_is_505() {
    let server = Server::start();
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false);
    let mut peer = server.connect_with(builder).await;
    let urls = peer.subscribe().await;
    peer.push(&urls.push, "x").await;
    for headers in [&[("prefer", "wait=0")][..], &[]] {
        let response = peer.get(&urls.subscription, headers).await;
        assert_eq!(response.status(), StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        let output = std::str::from_utf8(response.body()).unwrap();
        assert!(output.contains("SETTINGS_ENABLE_PUSH") && output.contains("text/event-stream"), "{output}");
    }
}

#[tokio::test]
async fn h2_b_c_d_promises_are_whole_requests_to_the_authority_that_was_asked() {
    let server = Server::start_with(&["--origin", "https://push.example"]);
    let mut peer = server.connect().await;
    let response = peer.post("/subscribe", &[], "").await;
    let path = |url: &str| url.strip_prefix("https://push.example").unwrap().to_owned();
    let urls = Subscription::from_response(&response);
    let message = path(&peer.push(&path(&urls.push), "x").await);
    let (pushes, _) = peer.drain(&path(&urls.subscription)).await;
    let promised = pushes[0].request.uri();
    assert_eq!(pushes[0].request.method(), Method::GET);
    assert_eq!(promised.scheme_str(), Some("http"));
    assert_eq!(promised.authority().unwrap().as_str(), server.address);
    assert_eq!(promised.path(), message);
    assert_eq!(peer.delete(&pushes[0].url()).await, StatusCode::NO_CONTENT);
}

/// This client refuses promises beyond its stream limit.
///
/// Promises do not count towards it yet (RFC 9113 §5.1.2); `cargo xtask interop` has a client that queues them.
#[tokio::test]
async fn h2_e_f_refused_promises_stay_and_come_again() {
    let server = Server::start();
    let mut builder = h2::client::Builder::new();
    builder.max_concurrent_streams(1);
    let mut agent = server.connect_with(builder).await;
    let urls = agent.subscribe().await;
    let mut waiting = BTreeSet::new();
    for _ in 0..40 {
        waiting.insert(agent.push(&urls.push, "x").await);
    }
    let mut rounds = 0;
    while !waiting.is_empty() {
        for pushed in agent.drain(&urls.subscription).await.0 {
            assert!(waiting.remove(&pushed.url()), "delivered after it was acknowledged");
            assert_eq!(agent.delete(&pushed.url()).await, StatusCode::NO_CONTENT);
        }
        rounds += 1;
        assert!(rounds <= 40, "each round brings at least one");
    }
    assert!(rounds > 1, "nothing was refused");
}

#[tokio::test]
async fn h2_h_small_windows_only_slow_it_down() {
    let server = Server::start();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(100).initial_connection_window_size(65_535);
    let mut agent = server.connect_with(builder).await;
    let urls = agent.subscribe().await;
    let large: &'static str = Box::leak("y".repeat(4096).into_boxed_str());
    for _ in 0..10 {
        agent.push(&urls.push, large).await;
    }
    assert_eq!(texts(&agent.drain(&urls.subscription).await.0), vec![large; 10]);
}

/// Connects like a client behind a proxy that terminates TLS and forwards HTTP/2.
#[tokio::test]
async fn h2_d_promises_carry_the_scheme_that_was_asked_with() {
    let server = Server::start_with(&["--origin", "https://push.example"]);
    let mut agent = server.connect_as("https://push.example").await;
    let urls = Subscription::from_response(&agent.post("/subscribe", &[], "").await);
    let message = agent.push(&urls.push, "x").await;
    assert_eq!(agent.drain(&urls.subscription).await.0[0].url(), message);
}

/// Stream IDs increase (RFC 9113 §5.1.1) across all monitors of a connection.
#[tokio::test]
async fn h2_two_monitors_of_one_connection_keep_the_order_of_stream_ids() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let (one, two) = (peer.subscribe().await, peer.subscribe().await);
    for _ in 0..40 {
        peer.push(&one.push, "one").await;
        peer.push(&two.push, "two").await;
    }
    let mut first = agent.monitor(&one.subscription, &[]).await;
    let mut second = agent.monitor(&two.subscription, &[]).await;
    for _ in 0..40 {
        assert_eq!(first.next().await.text(), "one");
        assert_eq!(second.next().await.text(), "two");
    }
}

#[tokio::test]
async fn r9110_head_has_the_headers_of_get_and_no_body() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let message = peer.push(&urls.push, "hello").await;
    for (url, length) in [(message.as_str(), Some("5")), ("/", None)] {
        let response = peer.request(Method::HEAD, url, &[], "").await;
        assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
        assert!(length.is_none_or(|length| response.headers()["content-length"] == length));
    }
}
