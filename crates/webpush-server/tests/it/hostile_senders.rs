//! Requests of HTTP/1.1 that servers and proxies understand differently (RFC 9112).

use crate::support::{Server, raw_http1};

async fn answer(server: &Server, path: &str, headers: &str, body: &str) -> String {
    let request = format!("POST {path} HTTP/1.1\r\nconnection: close\r\nttl: 60\r\n{headers}\r\n{body}");
    raw_http1(&server.address, &request).await
}

/// C6: a proxy and the server could disagree about the host.
#[tokio::test]
async fn r9112_3_2_without_host_or_with_two_it_is_400() {
    let server = Server::start();
    let urls = server.connect().await.subscribe().await;
    let path = urls.push.strip_prefix(&server.origin).unwrap();
    let length = "content-length: 0\r\n";
    for hosts in ["", "host: a\r\nhost: a\r\n", "host: a\r\nHost: b\r\n"] {
        let answer = answer(&server, path, &format!("{hosts}{length}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("host-not-unique"), "{answer}");
    }
    let good = answer(&server, path, &format!("host: a\r\n{length}"), "").await;
    assert!(good.starts_with("HTTP/1.1 201 "), "{good}");
}

/// C6: a body in an unknown coding was stored as it was.
#[tokio::test]
async fn r9112_6_1_other_transfer_codings_than_chunked_are_501() {
    let server = Server::start();
    let urls = server.connect().await.subscribe().await;
    let path = urls.push.strip_prefix(&server.origin).unwrap();
    let chunks = "1\r\nx\r\n0\r\n\r\n";
    let with = async |coding: &str| {
        answer(&server, path, &format!("host: a\r\ntransfer-encoding: {coding}\r\n"), chunks).await
    };
    let refused = with("gzip, chunked").await;
    assert!(refused.starts_with("HTTP/1.1 501 ") && refused.contains("transfer-coding"), "{refused}");
    let good = with("chunked").await;
    assert!(good.starts_with("HTTP/1.1 201 "), "{good}");
}

/// C6: 413 came only after the body.
#[tokio::test]
async fn r9110_10_1_1_a_body_that_is_too_large_is_not_asked_for() {
    let server = Server::start();
    let urls = server.connect().await.subscribe().await;
    let path = urls.push.strip_prefix(&server.origin).unwrap();
    // The body is never sent.
    let headers = "host: a\r\nexpect: 100-continue\r\ncontent-length: 100000\r\n";
    let refused = answer(&server, path, headers, "").await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    let gone = answer(&server, "/push/unknown", headers, "").await;
    assert!(gone.starts_with("HTTP/1.1 404 "), "{gone}");
    let small = "host: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n";
    let good = answer(&server, path, small, "x").await;
    assert!(good.contains("HTTP/1.1 201 "), "{good}");
}
