//! Malformed requests over both HTTP versions, and their responses.

use crate::support::{Server, header, raw_http1};
use http::{Method, StatusCode};

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

#[tokio::test]
async fn r9110_a_wrong_methods_are_405_and_unknown_paths_404() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let message = peer.push(&urls.push, "x").await;
    for (url, method, allow) in [
        ("/subscribe", Method::GET, "POST"),
        (urls.push.as_str(), Method::PUT, "GET, HEAD, POST, OPTIONS"),
        (&urls.push, Method::DELETE, "GET, HEAD, POST, OPTIONS"),
        (&urls.subscription, Method::POST, "GET, DELETE, OPTIONS"),
        (&urls.set, Method::PUT, "GET, DELETE, OPTIONS"),
        (&message, Method::POST, "GET, HEAD, DELETE, OPTIONS"),
        ("/", Method::POST, "GET, HEAD"),
    ] {
        let response = peer.request(method, url, &[("ttl", "1")], "").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{url}");
        assert_eq!(header(&response, "allow"), allow);
    }
    for unknown in ["/nothing", "/push/", "/push/AAAA", "/message/%ff", "/subscription", "/push/%2e%2e/"] {
        let response = peer.post(unknown, &[("ttl", "1")], "x").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(header(&response, "content-type"), "application/problem+json");
    }
}
