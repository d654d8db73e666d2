//! Requirements of UnifiedPush beyond RFC 8030.

use crate::support::{header, with_subscription};
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
