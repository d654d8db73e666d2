//! Sending (RFC 8030 §5), beyond the checks of the conformance suite.

use crate::support::{Server, Subscription, header};
use http::{Method, StatusCode};

#[tokio::test]
async fn r8030_4_d_new_urls_begin_with_the_origin_and_are_not_cached() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let subscribed = peer.post("/subscribe", &[], "").await;
    let urls = Subscription::from_response(&subscribed);
    let pushed = peer.post(&urls.push, &[("ttl", "60")], "x").await;
    for url in [&urls.subscription, &urls.push, &urls.set, header(&pushed, "location")] {
        assert!(url.starts_with(&format!("{}/", server.origin)), "{url}");
    }
    for response in [subscribed, pushed] {
        assert_eq!(header(&response, "cache-control"), "no-store");
    }
}

#[tokio::test]
async fn r8030_8_3_b_a_message_is_read_with_its_headers_and_harms_no_browser() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let headers = [("ttl", "60"), ("content-type", "text/html"), ("urgency", "high"), ("topic", "t")];
    let url = peer.push_with(&urls.push, &headers, "<script>").await;
    let response = peer.get(&url, &[]).await;
    for (name, value) in
        [("content-type", "text/html"), ("cache-control", "private"), ("content-security-policy", "sandbox")]
    {
        assert_eq!(header(&response, name), value);
    }
    for name in ["urgency", "topic", "ttl"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn r8030_6_2_a_7_3_b_a_message_that_has_ended_is_404() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let with = |ttl| [("ttl", ttl), ("topic", "t")];
    let dropped = peer.push_with(&urls.push, &[("ttl", "0")], "nobody listens").await;
    let replaced = peer.push_with(&urls.push, &with("60"), "replaced").await;
    let replaced_at_once = peer.push_with(&urls.push, &with("60"), "replaced by TTL 0").await;
    peer.push_with(&urls.push, &with("0"), "replaces").await;
    let acknowledged = peer.push(&urls.push, "acknowledged").await;
    assert_eq!(peer.delete(&acknowledged).await, StatusCode::NO_CONTENT);
    let canceled = peer.push(&urls.push, "canceled").await;
    assert_eq!(peer.delete(&urls.set).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.get(&dropped, &[]).await.status(), StatusCode::NOT_FOUND);
    for url in [replaced, replaced_at_once, acknowledged, canceled] {
        assert_eq!(peer.get(&url, &[]).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(peer.delete(&url).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(peer.post(&urls.push, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn r8030_5_2_e_a_delivered_message_with_ttl_0_can_be_acknowledged() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let urls = peer.subscribe().await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    peer.push(&urls.push, "listening").await;
    assert_eq!(monitor.next().await.text(), "listening");
    peer.push_with(&urls.push, &[("ttl", "0")], "now").await;
    assert_eq!(peer.delete(&monitor.next().await.url()).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8030_5_2_c_every_answer_says_the_ttl_granted() {
    let server = Server::start_with(&["--max-ttl", "100"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for (asked, granted) in [("0", "0"), ("99", "99"), ("101", "100"), ("99999999999", "100")] {
        let response = peer.post(&urls.push, &[("ttl", asked)], "x").await;
        assert_eq!(header(&response, "ttl"), granted);
    }
}

#[tokio::test]
async fn cross_origin_pages_may_push() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let asked = [("origin", "https://page.example"), ("access-control-request-headers", "ttl, topic")];
    let response = peer.request(Method::OPTIONS, &urls.push, &asked, "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "access-control-allow-headers"), "ttl, topic");
    assert!(header(&response, "access-control-allow-methods").contains("POST"));
    for headers in [&[("ttl", "60")][..], &[]] {
        let response = peer.post(&urls.push, headers, "x").await;
        assert_eq!(header(&response, "access-control-allow-origin"), "*", "also on errors");
        assert!(header(&response, "access-control-expose-headers").contains("Location"));
    }
}
