//! Sending (RFC 8030 §5): TTL, urgency, topic, size, message URL.

use crate::support::{Server, header, soon, texts};
use bytes::Bytes;
use http::{Method, StatusCode};

#[tokio::test]
async fn r8030_5_a_b_a_push_is_201_with_a_url_of_its_own() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let response = peer.post(&urls.push, &[("ttl", "15")], "hello").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let url = header(&response, "location").to_owned();
    assert!(url.starts_with(&format!("{}/message/", server.origin)));
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_ne!(peer.push(&urls.push, "hello").await, url);
}

#[tokio::test]
async fn r8030_5_c_bodies_are_opaque() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let bytes = Bytes::from_iter(0..=255);
    for body in [Bytes::new(), bytes.clone(), Bytes::from_static(b"{not json")] {
        let response = peer.request(Method::POST, &urls.push, &[("ttl", "60")], body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
    }
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(pushes[0].response.body(), "");
    assert_eq!(pushes[1].response.body(), &bytes);
    assert_eq!(pushes[2].text(), "{not json");
    assert!(pushes[1].response.headers().get("content-type").is_none(), "none is made up");
}

#[tokio::test]
async fn r8030_5_c_r8291_4_b_a_coding_of_http_is_not_undone() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    // A gzip header, then invalid data.
    let garbage = Bytes::from_static(b"\x1f\x8b\x08\x00garbage");
    for coding in ["gzip", "br", "deflate", "gzip, aes128gcm"] {
        let headers = [("ttl", "60"), ("content-encoding", coding)];
        let response = peer.request(Method::POST, &urls.push, &headers, garbage.clone()).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{coding}");
        let read = peer.get(header(&response, "location"), &[]).await;
        assert_eq!((header(&read, "content-encoding"), read.body()), (coding, &garbage));
    }
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
async fn r8030_5_2_d_7_2_b_after_its_ttl_a_message_is_as_if_never_sent() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let url = peer.push_with(&urls.push, &[("ttl", "1")], "short").await;
    // No response announces its end, so poll.
    soon("its end", async { while peer.get(&url, &[]).await.status() == StatusCode::OK {} }).await;
    let (pushes, status) = peer.drain(&urls.subscription).await;
    assert_eq!((pushes.len(), status), (0, StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn r8030_5_2_e_ttl_zero_reaches_who_listens_and_nobody_else() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let urls = peer.subscribe().await;
    let url = peer.push_with(&urls.push, &[("ttl", "0")], "too early").await;
    assert_eq!(peer.get(&url, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);

    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    peer.push(&urls.push, "listening").await;
    assert_eq!(monitor.next().await.text(), "listening");
    peer.push_with(&urls.push, &[("ttl", "0")], "now").await;
    let pushed = monitor.next().await;
    assert_eq!(pushed.text(), "now");
    assert_eq!(peer.delete(&pushed.url()).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8030_5_3_b_a_floor_leaves_lower_urgencies_stored() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for urgency in ["very-low", "low", "normal", "high"] {
        let headers = [("ttl", "60"), ("urgency", urgency)];
        let body = match urgency {
            "very-low" => "v",
            "low" => "l",
            "normal" => "n",
            _ => "h",
        };
        peer.push_with(&urls.push, &headers, body).await;
    }
    for (floor, expected) in
        [("high", &["h"][..]), ("normal", &["n", "h"]), ("very-low", &["v", "l", "n", "h"])]
    {
        let (pushes, _) = peer.drain_with(&urls.subscription, &[("urgency", floor)]).await;
        assert_eq!(texts(&pushes), expected);
    }
    assert_eq!(texts(&peer.drain(&urls.subscription).await.0), ["v", "l", "n", "h"]);
    let (_, status) = peer.drain_with(&urls.subscription, &[("urgency", "urgent")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn r8030_5_3_c_5_4_f_urgency_and_topic_stay_with_the_service() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    peer.push_with(&urls.push, &[("ttl", "60"), ("urgency", "high"), ("topic", "t")], "x").await;
    let (pushes, _) = peer.drain(&urls.subscription).await;
    for name in ["urgency", "topic", "ttl"] {
        assert!(pushes[0].response.headers().get(name).is_none());
        assert!(pushes[0].request.headers().get(name).is_none());
    }
}

#[tokio::test]
async fn r8030_5_4_b_c_e_a_topic_replaces_within_its_subscription() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let other = peer.subscribe_in(&urls.set).await;
    let topic = [("ttl", "60"), ("topic", "news")];
    let old = peer.push_with(&urls.push, &topic, "old").await;
    peer.push_with(&other.push, &topic, "other").await;
    peer.push(&urls.push, "plain").await;
    let new =
        peer.push_with(&urls.push, &[("ttl", "60"), ("topic", "news"), ("urgency", "high")], "new").await;
    assert_ne!(old, new);
    assert_eq!(peer.get(&old, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(texts(&peer.drain(&urls.set).await.0), ["other", "plain", "new"]);
    let (high, _) = peer.drain_with(&urls.set, &[("urgency", "high")]).await;
    assert_eq!(texts(&high), ["new"]);
    assert_eq!(peer.delete(&old).await, StatusCode::NOT_FOUND, "a late acknowledgement");
}

#[tokio::test]
async fn r8030_5_4_b_ttl_zero_replaces_as_well() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let old = peer.push_with(&urls.push, &[("ttl", "60"), ("topic", "t")], "old").await;
    peer.push_with(&urls.push, &[("ttl", "0"), ("topic", "t")], "new").await;
    assert_eq!(peer.get(&old, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8030_7_2_a_6_2_a_a_message_url_reads_until_it_is_acknowledged() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let headers =
        [("ttl", "60"), ("content-encoding", "aes128gcm"), ("content-type", "application/octet-stream")];
    let url = peer.push_with(&urls.push, &headers, "secret").await;
    let response = peer.get(&url, &[]).await;
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"secret"[..]));
    assert_eq!(header(&response, "content-encoding"), "aes128gcm");
    assert_eq!(header(&response, "cache-control"), "private");
    assert!(header(&response, "last-modified").ends_with(" GMT"));
    assert_eq!(header(&response, "content-security-policy"), "sandbox");
    assert_eq!(peer.delete(&url).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.get(&url, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&url).await, StatusCode::NOT_FOUND);
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8030_7_2_c_r8291_4_a_4096_bytes_pass_and_4097_do_not() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for (length, status) in [(4096, StatusCode::CREATED), (4097, StatusCode::PAYLOAD_TOO_LARGE)] {
        let body = Bytes::from(vec![b'x'; length]);
        let response = peer.request(Method::POST, &urls.push, &[("ttl", "60")], body).await;
        assert_eq!(response.status(), status);
    }
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(pushes[0].response.body().len(), 4096);
}

#[tokio::test]
async fn r8030_7_3_b_a_removed_subscription_is_404_to_senders() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let message = peer.push(&urls.push, "x").await;
    assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    let response = peer.post(&urls.push, &[("ttl", "60")], "x").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.get(&message, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NOT_FOUND);
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
