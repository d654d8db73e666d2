//! Requirements of UnifiedPush beyond RFC 8030.

use crate::support::{PushedMessage, Server, header, with_subscription};
use http::{Method, StatusCode};

#[tokio::test]
async fn a_push_url_supports_discovery() {
    let (_server, mut peer, urls) = with_subscription().await;
    for url in [urls.push.clone(), format!("{}?up=1", urls.push)] {
        let response = peer.get(&url, &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), r#"{"unifiedpush":{"version":1}}"#);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        assert_eq!(header(&response, "cache-control"), "no-store");
        let head = peer.request(Method::HEAD, &url, &[], "").await;
        assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
    }
    let preflight = peer.request(Method::OPTIONS, &urls.push, &[], "").await;
    assert_eq!(header(&preflight, "access-control-allow-methods"), "GET, HEAD, POST, OPTIONS");
    assert_eq!(peer.get("/push/AAAA", &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    let gone = peer.get(&urls.push, &[]).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(&gone, "access-control-allow-origin"), "*");
}

/// Like UnifiedPush senders without encryption, and like other gateways.
#[tokio::test]
async fn plain_json_labeled_as_encrypted_is_delivered_unchanged() {
    let (_server, mut peer, urls) = with_subscription().await;
    let headers = [("ttl", "60"), ("content-encoding", "aes128gcm")];
    peer.push_with(&urls.push, &headers, r#"{"title":"Plain"}"#).await;
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(pushes[0].text(), r#"{"title":"Plain"}"#);
    assert_eq!(header(&pushes[0].response, "content-encoding"), "aes128gcm");
}

/// C5: Telegram sends this to UnifiedPush endpoints.
#[tokio::test]
async fn simple_push_is_a_put_without_ttl_if_it_is_turned_on() {
    let server = Server::start_with(&["--simple-push"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let put = peer.request(Method::PUT, &urls.push, &[], "version=7").await;
    assert_eq!((put.status(), header(&put, "ttl")), (StatusCode::CREATED, "86400"));
    let put = peer.request(Method::PUT, &urls.push, &[("ttl", "60")], "version=8").await;
    assert_eq!(header(&put, "ttl"), "60");
    assert_eq!(peer.post(&urls.push, &[], "x").await.status(), StatusCode::BAD_REQUEST, "POST needs a TTL");
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(pushes.iter().map(PushedMessage::text).collect::<Vec<_>>(), ["version=7", "version=8"]);
    let (_off, mut peer, urls) = with_subscription().await;
    let put = peer.request(Method::PUT, &urls.push, &[], "version=7").await;
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// C5: some senders give no TTL, which RFC 8030 refuses.
#[tokio::test]
async fn a_default_ttl_is_for_senders_that_give_none() {
    let server = Server::start_with(&["--default-ttl", "2h", "--simple-push"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for (method, headers, granted) in [
        (Method::POST, &[][..], "7200"),
        (Method::PUT, &[], "7200"),
        (Method::POST, &[("ttl", "60")], "60"),
        (Method::POST, &[("ttl", "0")], "0"),
    ] {
        let sent = peer.request(method, &urls.push, headers, "x").await;
        assert_eq!((sent.status(), header(&sent, "ttl")), (StatusCode::CREATED, granted));
    }
    let malformed = peer.post(&urls.push, &[("ttl", "soon")], "x").await;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
}

/// C5: UnifiedPush applications get nothing but the body.
#[tokio::test]
async fn aesgcm_headers_are_written_into_the_body_if_that_is_turned_on() {
    let headers = [
        ("ttl", "60"),
        ("content-encoding", "aesgcm"),
        ("encryption", "salt=AAAAAAAAAAAAAAAAAAAAAA"),
        ("crypto-key", "dh=BBBB"),
    ];
    let server = Server::start_with(&["--aesgcm-in-body"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    peer.push_with(&urls.push, &headers, "ciphertext").await;
    peer.push_with(&urls.push, &[("ttl", "60"), ("content-encoding", "aes128gcm")], "other").await;
    let large: &'static str = Box::leak("x".repeat(4090).into_boxed_str());
    assert_eq!(peer.post(&urls.push, &headers, large).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(
        pushes[0].text(),
        "aesgcm\nEncryption: salt=AAAAAAAAAAAAAAAAAAAAAA\nCrypto-Key: dh=BBBB\nciphertext"
    );
    assert_eq!(header(&pushes[0].response, "content-encoding"), "aes128gcm");
    assert!(!pushes[0].response.headers().contains_key("encryption"));
    assert_eq!(pushes[1].text(), "other");
    assert_eq!(pushes.len(), 2);
    let (_off, mut peer, urls) = with_subscription().await;
    peer.push_with(&urls.push, &headers, "ciphertext").await;
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!((pushes[0].text(), header(&pushes[0].response, "crypto-key")), ("ciphertext", "dh=BBBB"));
}
