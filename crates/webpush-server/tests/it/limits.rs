//! Rate limits (RFC 8030 §8.4), quotas and subscribe tokens.

use crate::agent::with_channel;
use crate::support::{Server, Subscription, header, raw_http1, refused, texts};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::process::Command;

const TOKEN: &str = "0123456789abcdef";

fn assert_429(response: &Response<Bytes>, what: &str) {
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u32 = header(response, "retry-after").parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["type"], "/errors#too-many-requests");
    assert!(body["detail"].as_str().unwrap().contains(what), "{body}");
}

#[tokio::test]
async fn r8030_8_4_a_b_a_subscription_has_its_own_rate() {
    let server = Server::start_with(&["--rate-limit-loopback", "--push-rate", "1/h:2"]);
    let mut peer = server.connect().await;
    let (one, other) = (peer.subscribe().await, peer.subscribe().await);
    for _ in 0..2 {
        peer.push(&one.push, "x").await;
    }
    assert_429(&peer.post(&one.push, &[("ttl", "60")], "x").await, "this subscription");
    let path = one.push.strip_prefix(&server.origin).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTTL: 1\r\nContent-Length: 1\r\n\r\nx"
    );
    assert!(raw_http1(&server.address, &request).await.starts_with("HTTP/1.1 429 "));
    peer.push(&other.push, "x").await;
    assert_eq!(peer.drain(&one.subscription).await.0.len(), 2, "what was refused is not stored");
}

#[tokio::test]
async fn r8030_8_4_a_an_agent_has_a_rate_over_its_subscriptions() {
    let server = Server::start_with(&["--rate-limit-loopback", "--agent-rate", "1/h:2"]);
    let mut peer = server.connect().await;
    let one = peer.subscribe().await;
    let two = peer.subscribe_in(&one.set).await;
    peer.push(&one.push, "x").await;
    peer.push(&two.push, "x").await;
    for push in [&one.push, &two.push] {
        assert_429(&peer.post(push, &[("ttl", "60")], "x").await, "this user agent");
    }
}

#[tokio::test]
async fn registrations_are_limited_by_address_except_for_local_clients() {
    let rates = ["--register-rate", "1/h:1", "--push-rate", "1/h:1"];
    let server = Server::start_with(&[&["--rate-limit-loopback"], &rates[..]].concat());
    let mut peer = server.connect().await;
    peer.subscribe().await;
    assert_429(&server.connect().await.post("/subscribe", &[], "").await, "this address");

    let server = Server::start_with(&rates);
    let mut peer = server.connect().await;
    for _ in 0..3 {
        let urls = peer.subscribe().await;
        peer.push(&urls.push, "x").await;
        peer.push(&urls.push, "x").await;
    }
}

#[tokio::test]
async fn only_holders_of_a_token_subscribe_and_anyone_pushes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, format!("# mine\n{TOKEN}\n")).unwrap();
    let server = Server::start_with(&["--subscribe-token-file", file.to_str().unwrap()]);
    let mut peer = server.connect().await;

    for (path, authorization, challenge) in [
        ("/subscribe", None, "Bearer"),
        ("/subscribe", Some("Bearer 0123456789abcdeX"), "Bearer error=\"invalid_token\""),
        ("/t/0123456789abcdeX/subscribe", None, "Bearer error=\"invalid_token\""),
        ("/t/0123456789abcdeX/nothing", None, "Bearer error=\"invalid_token\""),
    ] {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let response = peer.post(path, &headers, "").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(header(&response, "www-authenticate"), challenge);
        assert_eq!(header(&response, "content-type"), "application/problem+json");
    }

    let by_header = peer.post("/subscribe", &[("authorization", &format!("Bearer {TOKEN}"))], "").await;
    let by_path = peer.post(&format!("/t/{TOKEN}/subscribe"), &[], "").await;
    for response in [by_header, by_path] {
        let urls = Subscription::from_response(&response);
        assert!(!urls.push.contains(TOKEN) && !urls.subscription.contains(TOKEN));
        peer.push(&urls.push, "x").await;
        assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1);
    }
    assert_eq!(peer.get(&format!("/t/{TOKEN}/"), &[]).await.status(), StatusCode::OK);
    assert_eq!(peer.get(&format!("/t/{TOKEN}/nothing"), &[]).await.status(), StatusCode::NOT_FOUND);

    let listen = async |token: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
        command.args(["listen", "--no-wait", &format!("{}/t/{token}", server.origin)]);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    assert!(listen(TOKEN).await.status.success());
    let refused = listen("0123456789abcdeX").await;
    let printed = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && printed.contains("401") && !printed.contains("abcdeX"), "{printed}");
}

#[tokio::test]
async fn where_no_token_is_needed_any_is_taken() {
    let server = Server::start();
    let mut peer = server.connect().await;
    Subscription::from_response(&peer.post("/t/from-stricter-days/subscribe", &[], "").await);
    Subscription::from_response(&peer.post("/subscribe", &[("authorization", "Bearer x")], "").await);
}

#[test]
fn wrong_limits_are_one_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (empty, short) = (file("empty", "# none\n"), file("short", "secret\n"));
    for (flag, value, expected) in [
        ("--push-rate", "fast", "1000/s:10000"),
        ("--agent-rate", "1/s", "1000/s:10000"),
        ("--sender-rate", "0/s:1", "both above 0"),
        ("--register-rate", "1/y:1", "or off"),
        ("--exempt-sender", "BAAA", "87 characters"),
        ("--max-connections", "0", "0"),
        ("--stall-timeout", "0s", "greater than zero"),
        ("--subscribe-token-file", "/nowhere/tokens", "/nowhere/tokens"),
        ("--subscribe-token-file", &empty, "no token"),
        ("--subscribe-token-file", &short, "line 1: a token needs at least 16 characters"),
    ] {
        let printed = refused(dir.path(), &[flag, value]);
        assert!(printed.contains(expected) && printed.contains(flag), "{flag} {value}: {printed}");
        assert!(!printed.contains("secret") && !printed.contains("panicked"), "{printed}");
    }
}

#[tokio::test]
async fn r8030_7_2_d_beyond_its_quota_an_agent_loses_the_least_urgent_and_oldest() {
    let server = Server::start_with(&["--quota-messages", "3"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let headers = [("ttl", "60"), ("prefer", "respond-async"), ("urgency", "low")];
    let response = peer.post(&urls.push, &headers, "low").await;
    let receipts = crate::support::link(response.headers(), "urn:ietf:params:push:receipt");
    for text in ["one", "two", "three"] {
        peer.push(&urls.push, text).await;
    }
    peer.push_with(&urls.push, &[("ttl", "60"), ("urgency", "high")], "high").await;
    assert_eq!(texts(&peer.drain(&urls.subscription).await.0), ["two", "three", "high"]);
    let (pushes, _) = peer.drain(&receipts).await;
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].response.status(), StatusCode::GONE);
    assert_eq!(pushes[0].url(), header(&response, "location"));
}

#[tokio::test]
async fn a_set_has_a_quota_of_subscriptions() {
    let server = Server::start_with(&["--quota-subscriptions", "2"]);
    let mut peer = server.connect().await;
    let one = peer.subscribe().await;
    let two = peer.subscribe_in(&one.set).await;
    let link = format!("<{}>; rel=\"urn:ietf:params:push:set\"", one.set);
    assert_429(&peer.post("/subscribe", &[("link", &link)], "").await, "subscriptions in this set");
    assert_eq!(peer.delete(&two.subscription).await, StatusCode::NO_CONTENT);
    peer.subscribe_in(&one.set).await;
}

#[tokio::test]
async fn r8030_5_1_e_new_receipt_subscriptions_are_limited_and_known_ones_are_not() {
    let server = Server::start_with(&["--rate-limit-loopback", "--receipt-rate", "1/h:1"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let asked = [("ttl", "60"), ("prefer", "respond-async")];
    let response = peer.post(&urls.push, &asked, "x").await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_429(&peer.post(&urls.push, &asked, "x").await, "receipt subscriptions");
    let receipts = crate::support::link(response.headers(), "urn:ietf:params:push:receipt");
    let named = format!("<{receipts}>; rel=\"urn:ietf:params:push:receipt\"");
    for _ in 0..3 {
        let headers = [asked[0], asked[1], ("link", named.as_str())];
        assert_eq!(peer.post(&urls.push, &headers, "x").await.status(), StatusCode::ACCEPTED);
    }
}

/// Neither parsing nor arithmetic on such times panics.
#[tokio::test]
async fn a_server_with_the_longest_times_works() {
    let flags = [
        "max-ttl",
        "legacy-default-ttl",
        "expire-unused-after",
        "expire-idle-after",
        "trace-keep",
        "websocket-ping",
        "hello-timeout",
        "head-timeout",
        "body-timeout",
        "stall-timeout",
        "keepalive",
        "websocket-pong",
        "matrix-timeout",
    ];
    let longest = flags.map(|flag| format!("--{flag}=36500d"));
    let (server, mut sender, mut registered) = with_channel(&longest.each_ref().map(String::as_str)).await;
    let urls = sender.subscribe().await;
    for ttl in ["3153600000", "99999999999999999999999"] {
        let accepted = sender.post(&urls.push, &[("ttl", ttl)], "for long").await;
        assert_eq!(accepted.status(), StatusCode::CREATED);
        let accepted = sender.post(&registered.push, &[("ttl", ttl)], "for long").await;
        assert_eq!(accepted.status(), StatusCode::CREATED);
        assert_eq!(registered.agent.receive().await["messageType"], "notification");
    }
    assert_eq!(texts(&sender.drain(&urls.subscription).await.0), ["for long", "for long"]);
    let answer = server.connect().await.get("/health", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[test]
fn longer_times_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for time in ["18446744073709551615", "36501d"] {
        let error = refused(dir.path(), &["--max-ttl", time]);
        assert!(error.contains("at most 36500d"), "{error}");
    }
}
