//! The common form of errors, over both HTTP versions.

use crate::support::{Http2Client, Server, Subscription, raw_http1};
use http::Method;
use serde_json::{Value, json};
use webpush_client::vapid::VapidKey;

const TOKEN: &str = "0123456789abcdef";
const TTL: (&str, &str) = ("ttl", "60");
const OPTIONS: (&str, &str) = ("content-type", "application/webpush-options+json");

/// Parses the body of an error, and checks the common members (RFC 9457, autopush).
pub(crate) fn problem(origin: &str, status: u16, body: &[u8]) -> Value {
    let problem: Value = serde_json::from_slice(body).unwrap();
    let members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["code", "detail", "errno", "error", "message", "more_info", "status", "title", "type"];
    assert_eq!(members, expected);
    assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(status)));
    assert_eq!(problem["message"], problem["detail"]);
    let more_info = problem["more_info"].as_str().unwrap();
    assert_eq!(more_info, format!("{origin}{}", problem["type"].as_str().unwrap()));
    for text in ["error", "title", "detail"] {
        assert!(!problem[text].as_str().unwrap().is_empty(), "{problem}");
    }
    problem
}

/// A request that must be refused.
struct Wrong<'a> {
    method: Method,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl Wrong<'_> {
    /// Sends it over HTTP/2; returns status and body.
    async fn over_http2(&self, peer: &mut Http2Client) -> (u16, Vec<u8>) {
        let response = peer.request(self.method.clone(), self.path, self.headers, self.body.to_owned()).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        (response.status().as_u16(), response.body().to_vec())
    }

    /// Sends it over HTTP/1.1; returns status and body.
    async fn over_http1(&self, address: &str) -> (u16, Vec<u8>) {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let Self { method, path, body, .. } = self;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        let answer = raw_http1(address, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.as_bytes().to_vec())
    }
}

#[tokio::test]
async fn every_error_has_all_members_over_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, TOKEN).unwrap();
    let args = ["--subscribe-token-file", file.to_str().unwrap(), "--quota-subscriptions", "1"];
    let server = Server::start_with(&args);
    let mut peer = server.connect_with(without_push()).await;
    let subscribe = format!("/t/{TOKEN}/subscribe");
    let urls = Subscription::from_response(&peer.post(&subscribe, &[], "").await);
    let removed = Subscription::from_response(&peer.post(&subscribe, &[], "").await);
    peer.delete(&removed.subscription).await;
    let options = json!({"vapid": VapidKey::generate().unwrap().public()}).to_string();
    let restricted =
        Subscription::from_response(&peer.request(Method::POST, &subscribe, &[OPTIONS], options).await);

    let path = |url: &str| url.strip_prefix(&server.origin).unwrap().to_owned();
    let (push, restricted) = (path(&urls.push), path(&restricted.push));
    let (subscription, gone) = (path(&urls.subscription), path(&removed.push));
    let old_and_gone = gone.replace("/push/", "/wpush/v2/");
    let (long, large) = ("x".repeat(600), "x".repeat(4097));
    let set = format!("<{}>; rel=\"urn:ietf:params:push:set\"", urls.set);
    let no_set = "</subscription-set/x>; rel=\"urn:ietf:params:push:set\"";
    let no_receipts = "</receipt-subscription/x>; rel=\"urn:ietf:params:push:receipt\"";
    let receipt = ("prefer", "respond-async");
    let forged = ("authorization", "vapid t=a.b.c, k=d");
    let events = [("accept", "text/event-stream"), ("urgency", "urgent")];

    let post = |path, headers, body| Wrong { method: Method::POST, path, headers, body };
    let get = |path| Wrong { method: Method::GET, path, headers: &[], body: "" };
    for (wrong, status, name, errno) in [
        (post(&push, &[], "x"), 400, "ttl-missing", Some(111)),
        (post(&push, &[("ttl", "soon")], "x"), 400, "ttl-malformed", Some(111)),
        (post(&push, &[("ttl", "-1")], "x"), 400, "ttl-malformed", Some(114)),
        (post(&push, &[TTL, ("urgency", "urgent")], "x"), 400, "urgency-malformed", None),
        (post(&push, &[TTL, ("topic", "a b")], "x"), 400, "topic-malformed", Some(113)),
        (post(&push, &[TTL, receipt, ("link", "<")], "x"), 400, "header-malformed", None),
        (post(&subscribe, &[("link", "no link")], ""), 400, "header-malformed", None),
        (Wrong { headers: &events, ..get(&subscription) }, 400, "urgency-malformed", None),
        (post(&push, &[TTL, ("crypto-key", &long)], "x"), 431, "header-too-large", Some(110)),
        (post(&push, &[TTL, ("encryption", &long)], "x"), 431, "header-too-large", Some(110)),
        (post(&push, &[TTL, ("content-type", &long)], "x"), 431, "header-too-large", None),
        (post(&push, &[TTL, ("content-encoding", "aesgcm")], "x"), 400, "encoding-unreadable", Some(110)),
        (post(&push, &[TTL, ("content-encoding", "rot13")], "x"), 400, "encoding-unreadable", Some(110)),
        (post(&push, &[TTL], &large), 413, "body-too-large", Some(104)),
        (post(&push, &[TTL, forged], "x"), 403, "vapid-invalid", Some(109)),
        (post(&restricted, &[TTL], "x"), 401, "vapid-required", Some(109)),
        (post(&push, &[TTL, receipt, ("link", no_receipts)], "x"), 400, "receipt-subscription-unknown", None),
        (post(&gone, &[TTL], "x"), 404, "not-found", Some(102)),
        (post(&old_and_gone, &[TTL], "x"), 410, "gone", Some(106)),
        (post("/wpush/v1/x", &[TTL], "x"), 404, "not-found", Some(102)),
        (post("/subscribe", &[], ""), 401, "token-required", Some(109)),
        (post("/t/0123456789abcdeX/errors", &[], ""), 401, "token-required", Some(109)),
        (post(&subscribe, &[("link", no_set)], ""), 400, "set-unknown", None),
        (post(&subscribe, &[("link", &set)], ""), 429, "too-many-requests", None),
        (post(&subscribe, &[OPTIONS], "{"), 400, "options-malformed", None),
        (get("/nothing"), 404, "not-found", Some(102)),
        (get("/message/x"), 404, "not-found", Some(102)),
        (Wrong { method: Method::DELETE, ..get(&push) }, 405, "method-not-allowed", None),
        (get("/subscribe"), 405, "method-not-allowed", None),
        (get(&subscription), 505, "push-unsupported", None),
    ] {
        let answers = [wrong.over_http2(&mut peer).await, wrong.over_http1(&server.address).await];
        for (answered, body) in &answers {
            assert_eq!(*answered, status, "{name} {}", wrong.path);
            let problem = problem(&server.origin, status, body);
            assert_eq!(problem["type"], format!("/errors#{name}"));
            assert_eq!(problem["errno"], json!(errno), "{name}");
        }
        assert_eq!(answers[0], answers[1], "the same over both versions");
    }
}

/// Monitors without server push, which is refused as over HTTP/1.1.
fn without_push() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false);
    builder
}

#[tokio::test]
async fn more_info_links_to_the_errors_page() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let refused = peer.get("/nothing", &[]).await;
    let problem = problem(&server.origin, 404, refused.body());
    let (page, place) = problem["more_info"].as_str().unwrap().split_once('#').unwrap();
    let page = peer.get(page, &[]).await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let text = std::str::from_utf8(page.body()).unwrap();
    assert!(text.contains(&format!(" id=\"{place}\"")), "{text}");
}
