//! Paths of autopush-rs, as aliases of this server's resources.

use crate::support::{Server, header, raw_http1, texts, with_subscription};
use http::{Method, StatusCode};

const TTL: (&str, &str) = ("ttl", "60");
const OLD: [&str; 3] = ["/wpush/v1/", "/wpush/v2/", "/wpush/"];

/// Returns the path of autopush-rs for a URL.
fn old(server: &Server, url: &str, ours: &str, theirs: &str) -> String {
    url.strip_prefix(&server.origin).unwrap().replacen(ours, theirs, 1)
}

#[tokio::test]
async fn old_push_paths_take_messages_over_both_versions() {
    let (server, mut peer, urls) = with_subscription().await;
    for theirs in OLD {
        let path = old(&server, &urls.push, "/push/", theirs);
        let response = peer.post(&path, &[TTL], "new").await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert!(header(&response, "location").starts_with(&format!("{}/message/", server.origin)));
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nttl: 60\r\ncontent-length: 3\r\n\r\nold"
        );
        let answer = raw_http1(&server.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(texts(&pushes), ["new", "old", "new", "old", "new", "old"]);
}

#[tokio::test]
async fn an_old_message_path_reads_and_acknowledges() {
    let (server, mut peer, urls) = with_subscription().await;
    let message = peer.push(&urls.push, "x").await;
    let path = old(&server, &message, "/message/", "/m/");
    assert_eq!(peer.get(&path, &[]).await.body(), "x");
    assert_eq!(peer.delete(&path).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.delete(&path).await, StatusCode::NOT_FOUND);
    assert_eq!(peer.get(&message, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn old_paths_answer_other_methods_and_pages_as_ours_do() {
    let (server, mut peer, urls) = with_subscription().await;
    let message = peer.push(&urls.push, "x").await;
    let asked = [("origin", "https://page.example"), ("access-control-request-headers", "ttl")];
    for (ours, theirs) in [
        (&urls.push, old(&server, &urls.push, "/push/", "/wpush/v2/")),
        (&message, old(&server, &message, "/message/", "/m/")),
    ] {
        for method in [Method::OPTIONS, Method::PUT] {
            let expected = peer.request(method.clone(), ours, &asked, "").await;
            let response = peer.request(method, &theirs, &asked, "").await;
            assert_eq!(header(&response, "access-control-allow-origin"), "*");
            let (mut expected, mut response) = (expected.into_parts().0, response.into_parts().0);
            expected.headers.remove("date");
            response.headers.remove("date");
            assert_eq!((response.status, response.headers), (expected.status, expected.headers));
        }
    }
    let refused = peer.post(&old(&server, &urls.push, "/push/", "/wpush/v1/"), &[], "x").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(header(&refused, "access-control-allow-origin"), "*", "also on errors");
}

#[tokio::test]
async fn old_paths_tell_410_from_404_and_ours_do_not() {
    let (server, mut peer, urls) = with_subscription().await;
    let message = peer.push(&urls.push, "x").await;
    assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    let ours = peer.post(&urls.push, &[TTL], "x").await;
    assert_eq!(ours.status(), StatusCode::NOT_FOUND);
    assert!(!ours.headers().contains_key("cache-control"));
    for theirs in OLD {
        let path = old(&server, &urls.push, "/push/", theirs);
        let gone = peer.post(&path, &[TTL], "x").await;
        assert_eq!(gone.status(), StatusCode::GONE);
        assert_eq!(header(&gone, "cache-control"), "max-age=86400");
        // A modified token, a token of another kind, and no token.
        let foreign = old(&server, &message, "/message/", theirs);
        for unknown in [format!("{path}A"), foreign, theirs.to_owned(), format!("{theirs}v3/x")] {
            let response = peer.post(&unknown, &[TTL], "x").await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{unknown}");
            assert!(!response.headers().contains_key("cache-control"));
        }
    }
    // A message removed with its subscription is not a removed subscription.
    let path = old(&server, &message, "/message/", "/m/");
    assert_eq!(peer.get(&path, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.delete("/m/nothing").await, StatusCode::NOT_FOUND);
}
