//! Every request that is refused.

use super::{put, register, with_device};
use crate::support::{Server, header, raw_http1};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::Value;

/// Checks the members of an error (those of 2015 and of RFC 9457), and returns its status.
fn error(response: &Response<Bytes>) -> u16 {
    assert_eq!(header(response, "content-type"), "application/problem+json");
    well_formed(response.status(), response.body())
}

fn well_formed(status: StatusCode, body: &[u8]) -> u16 {
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["statusCode"], status.as_u16());
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["error"], status.canonical_reason().unwrap());
    assert_eq!(body["message"], body["detail"]);
    status.as_u16()
}

#[tokio::test]
async fn d1_error_a_what_is_not_there_is_404_with_both_kinds_of_members() {
    let (_server, mut peer, device) = with_device().await;
    let forged = |url: &str| {
        let (front, last) = url.split_at(url.len() - 6);
        format!("{front}{}", last.chars().rev().collect::<String>())
    };
    for (method, url) in [
        (Method::GET, forged(&device.url)),
        (Method::DELETE, forged(&device.url)),
        (Method::POST, format!("{}/channels", forged(&device.url))),
        (Method::GET, forged(&device.channel)),
        (Method::DELETE, forged(&device.channel)),
        (Method::PUT, forged(&device.update)),
        (Method::GET, "/devices/f6a7e1b0-3c2d-4a5b-9c8d-000000000000".into()),
        (Method::POST, "/devices/f6a7e1b0-3c2d-4a5b-9c8d-000000000000/channels".into()),
        (
            Method::PUT,
            "/updates/Fe26.2**0cdd607945dd1dffb7da0b0bf5f1a7daa6218cbae14cac51dcbd91fb077aeb5b".into(),
        ),
        (Method::GET, "/devices/".into()),
    ] {
        let response = peer.request(method.clone(), &url, &[], "").await;
        assert_eq!(error(&response), 404, "{method} {url}");
    }
    let elsewhere = peer.get("/subscription/x", &[]).await;
    let body: Value = serde_json::from_slice(elsewhere.body()).unwrap();
    assert_eq!((elsewhere.status(), &body["statusCode"]), (StatusCode::NOT_FOUND, &Value::Null));
}

#[tokio::test]
async fn d1_error_b_another_method_is_405() {
    let (_server, mut peer, device) = with_device().await;
    let channels = format!("{}/channels", device.url);
    for (method, url, allow) in [
        (Method::GET, "/devices", "POST"),
        (Method::POST, &device.url, "GET, DELETE, OPTIONS"),
        (Method::GET, &channels, "POST, OPTIONS"),
        (Method::PUT, &device.channel, "GET, HEAD, DELETE, OPTIONS"),
        (Method::POST, &device.update, "PUT, OPTIONS"),
    ] {
        let response = peer.request(method, url, &[], "").await;
        assert_eq!((error(&response), header(&response, "allow")), (405, allow));
        if url != "/devices" {
            let preflight = peer.request(Method::OPTIONS, url, &[], "").await;
            assert_eq!((preflight.status(), header(&preflight, "allow")), (StatusCode::NO_CONTENT, allow));
        }
    }
}

#[tokio::test]
async fn d1_monitor_b_without_server_push_it_is_505() {
    let (server, mut peer, device) = with_device().await;
    send_one(&mut peer, &device.update).await;
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false);
    let mut without = server.connect_with(builder).await;
    let headers: [&[(&str, &str)]; 3] = [&[], &[("prefer", "wait=0")], &[("accept", "text/event-stream")]];
    for headers in headers {
        let response = without.get(&device.url, headers).await;
        assert_eq!(error(&response), 505);
        assert!(String::from_utf8_lossy(response.body()).contains("does not support HTTP/2 server push"));
    }
    let path = device.url.strip_prefix(&server.origin).unwrap();
    for header in ["", "prefer: wait=0\r\n", "accept: text/event-stream\r\n"] {
        let head = "host: x\r\nconnection: close\r\n";
        let answer = raw_http1(&server.address, &format!("GET {path} HTTP/1.1\r\n{head}{header}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(well_formed(StatusCode::HTTP_VERSION_NOT_SUPPORTED, body.as_bytes()), 505);
    }
    assert_eq!(peer.drain(&device.url).await.0.len(), 1, "it was not lost");
}

async fn send_one(peer: &mut crate::support::Http2Client, update: &str) {
    super::send(peer, update, "x").await;
}

#[tokio::test]
async fn d1_monitor_d_a_held_get_ends_with_404_when_its_device_goes() {
    let (server, mut peer, device) = with_device().await;
    let mut agent = server.connect().await;
    let mut monitor = agent.monitor(&device.url, &[]).await;
    send_one(&mut peer, &device.update).await;
    monitor.next().await;
    assert_eq!(peer.delete(&device.url).await, StatusCode::NO_CONTENT);
    assert_eq!(error(&monitor.end().await), 404);
}

#[tokio::test]
async fn d1_send_c_what_can_t_be_sent_is_refused() {
    let (_server, mut peer, device) = with_device().await;
    let large = "x".repeat(4097);
    let whole = peer.request(Method::PUT, &device.update, &[], large[..4096].to_owned()).await;
    assert_eq!(whole.status(), StatusCode::OK);
    let response = peer.request(Method::PUT, &device.update, &[], large).await;
    assert_eq!(error(&response), 413);
    for (name, wrong) in [("ttl", "-1"), ("urgency", "urgent"), ("topic", "a b")] {
        assert_eq!(error(&put(&mut peer, &device.update, &[(name, wrong)], "x").await), 400, "{name}");
    }
    let forged = [("authorization", "vapid t=a.b.c, k=AAAA")];
    assert_eq!(error(&put(&mut peer, &device.update, &forged, "x").await), 403);
    let too_long = peer.request(Method::POST, "/devices", &[], "x".repeat(4097)).await;
    assert_eq!(error(&too_long), 413);
}

#[tokio::test]
async fn d1_send_f_a_channel_may_be_for_one_sender() {
    let (_server, mut peer, device) = with_device().await;
    let channels = format!("{}/channels", device.url);
    let options = [("content-type", "application/webpush-options+json")];
    // The public key of RFC 8292 §2.4.
    let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
    let body = format!("{{\"vapid\":\"{key}\"}}");
    let response = peer.request(Method::POST, &channels, &options, body).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
    let update = header(&response, "location").to_owned();
    let refused = put(&mut peer, &update, &[], "x").await;
    assert_eq!((error(&refused), header(&refused, "www-authenticate")), (401, "vapid"));
    assert_eq!(error(&peer.post(&channels, &options, "{\"vapid\":1}").await), 400);
}

#[tokio::test]
async fn registering_needs_the_subscribe_token_and_channels_need_none() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, "0123456789abcdef\n").unwrap();
    let server = Server::start_with(&["--subscribe-token-file", tokens.to_str().unwrap()]);
    let mut peer = server.connect().await;
    let refused = peer.post("/devices", &[], "").await;
    assert_eq!((error(&refused), header(&refused, "www-authenticate")), (401, "Bearer"));
    let made = peer.post("/t/0123456789abcdef/devices", &[], "").await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let channels = super::links(&made, &server.origin)["urn:ietf:params:push:sub"].clone();
    assert_eq!(peer.post(&channels, &[], "").await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn devices_and_channels_count_against_the_rate_of_new_subscriptions() {
    let server = Server::start_with(&["--register-rate", "1/h:2", "--rate-limit-loopback"]);
    let mut peer = server.connect().await;
    register(&server, &mut peer).await;
    let refused = peer.post("/devices", &[], "").await;
    assert_eq!(error(&refused), 429);
    assert!(refused.headers().contains_key("retry-after"));
}
