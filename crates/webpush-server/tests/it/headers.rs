//! Malformed requests over both HTTP versions, and their responses.

use crate::support::{Server, raw_http1};
use http::StatusCode;

#[tokio::test]
async fn r8030_5_2_a_5_3_a_5_4_a_each_malformed_header_is_400() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let long = "a".repeat(33);
    let ttl = ("ttl", "60");
    for (headers, name) in [
        (&[][..], "ttl-missing"),
        (&[("ttl", "")], "ttl-malformed"),
        (&[("ttl", "-1")], "ttl-malformed"),
        (&[("ttl", "1.5")], "ttl-malformed"),
        (&[("ttl", "soon")], "ttl-malformed"),
        (&[("ttl", "1, 1")], "ttl-malformed"),
        (&[("ttl", "1"), ("ttl", "1")], "ttl-malformed"),
        (&[ttl, ("urgency", "urgent")], "urgency-malformed"),
        (&[ttl, ("urgency", "low, high")], "urgency-malformed"),
        (&[ttl, ("urgency", "low"), ("urgency", "low")], "urgency-malformed"),
        (&[ttl, ("topic", "")], "topic-malformed"),
        (&[ttl, ("topic", "a b")], "topic-malformed"),
        (&[ttl, ("topic", &long)], "topic-malformed"),
        (&[ttl, ("topic", "a"), ("topic", "b")], "topic-malformed"),
    ] {
        let response = peer.post(&urls.push, headers, "x").await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{headers:?}");
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["type"], format!("/errors#{name}"), "{headers:?}");
    }
    let long = "a".repeat(600);
    let response = peer.post(&urls.push, &[ttl, ("crypto-key", &long)], "x").await;
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT, "nothing was stored");
}

#[tokio::test]
async fn the_errors_page_explains_every_name() {
    let server = Server::start();
    let page = server.connect().await.get("/errors", &[]).await;
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    for name in ["ttl-missing", "ttl-malformed", "body-too-large", "not-found", "store-unavailable"] {
        assert!(text.contains(&format!(" id=\"{name}\"")), "{name}");
    }
}

#[tokio::test]
async fn r8030_3_c_http_1_1_sends_and_cannot_take_pushes() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let path = urls.push.strip_prefix(&server.origin).unwrap();
    let head = "host: x\r\nconnection: close\r\n";
    let send = |extra: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\n{head}{extra}content-length: {}\r\n\r\n{body}", body.len())
    };
    let answer = raw_http1(&server.address, &send("TTL: 60\r\n", "hello")).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(raw_http1(&server.address, &send("", "hello")).await.starts_with("HTTP/1.1 400 "));
    let large = "x".repeat(4097);
    assert!(raw_http1(&server.address, &send("TTL: 60\r\n", &large)).await.starts_with("HTTP/1.1 413 "));
    let chunked = format!(
        "POST {path} HTTP/1.1\r\n{head}TTL: 60\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    assert!(raw_http1(&server.address, &chunked).await.starts_with("HTTP/1.1 413 "));
    for headers in ["", "prefer: wait=0\r\n", "accept: */*\r\n", "accept: text/event-stream;q=0\r\n"] {
        let path = urls.subscription.strip_prefix(&server.origin).unwrap();
        let answer = raw_http1(&server.address, &format!("GET {path} HTTP/1.1\r\n{head}{headers}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 505 ") && answer.contains("push-unsupported"), "{answer}");
        assert!(answer.contains("over HTTP/2") && answer.contains("Accept: text/event-stream"), "{answer}");
    }
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1);
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let server = Server::start();
    for garbage in [
        "\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "POST /subscribe HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n.....",
    ] {
        let answer = raw_http1(&server.address, garbage).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
            "{answer}"
        );
    }
    server.connect().await.subscribe().await;
}
