//! The Matrix push gateway for push URLs of other services, over TLS.

use crate::gateway::{NOTIFY, assert_error, notification, notify, rejected};
use crate::push_service::{Identity, PushService};
use crate::support::Server;
use serde_json::{Value, json};

/// A long timeout, so that slow machines do not reach it.
const LOOPBACK: [&str; 4] = ["--matrix-allow-address", "127.0.0.0/8", "--matrix-timeout", "60s"];

/// Starts a server that can reach and trusts another push service.
async fn two_services() -> (Server, PushService) {
    let elsewhere = PushService::start().await;
    let server = Server::start_trusting(&elsewhere.certificate(), &LOOPBACK);
    (server, elsewhere)
}

#[tokio::test]
async fn a_device_of_another_service_gets_the_same_message_over_tls() {
    let (server, mut elsewhere) = two_services().await;
    let mut peer = server.connect().await;
    let pushkey = elsewhere.url("up-secret/201?up=1");
    assert_eq!(rejected(&notify(&mut peer, &notification(&[&pushkey])).await), json!([]));
    let arrived = elsewhere.next().await;
    assert!(arrived.head.starts_with("post /up-secret/201?up=1 http/1.1\r\n"), "{}", arrived.head);
    let host = elsewhere.origin.strip_prefix("https://").unwrap();
    for line in [
        "ttl: 86400",
        "urgency: high",
        "content-encoding: aes128gcm",
        "via: 1.1 webpush-server-matrix-gateway",
        &format!("host: {host}"),
    ] {
        assert!(arrived.head.contains(&format!("\r\n{line}\r\n")), "{line} in {}", arrived.head);
    }
    let sent: Value = serde_json::from_slice(&arrived.body).unwrap();
    assert_eq!(sent, notification(&[&pushkey]));
    let log = server.log();
    assert!(log.contains("TRACE"), "the log is there");
    for secret in ["up-secret", "$event", "hello", host] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[tokio::test]
async fn permanent_refusals_are_rejected_and_too_large_messages_are_not() {
    let (server, elsewhere) = two_services().await;
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let taken = ["200", "201", "202", "204", "413", "endless-body"].map(|path| elsewhere.url(path));
    let refused = ["400", "401", "403", "404", "405", "410"].map(|path| elsewhere.url(path));
    let pushkeys: Vec<_> = taken.iter().chain(&refused).map(String::as_str).chain([&*urls.push]).collect();
    assert_eq!(rejected(&notify(&mut peer, &notification(&pushkeys)).await), json!(refused));
    assert_eq!((elsewhere.waiting(), peer.drain(&urls.subscription).await.0.len()), (12, 1));
}

#[tokio::test]
async fn temporary_failures_are_errors_so_that_homeservers_retry() {
    let (server, mut elsewhere) = two_services().await;
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for path in ["302", "307", "408", "425", "429", "500", "503", "endless-head"] {
        let pushkeys = [elsewhere.url("410"), elsewhere.url(path), urls.push.clone()];
        let response = notify(&mut peer, &notification(&pushkeys.each_ref().map(String::as_str))).await;
        assert_error(&response, 502, "push-service", "M_UNKNOWN");
        for _ in 0..2 {
            elsewhere.next().await;
        }
        assert_eq!(elsewhere.waiting(), 0, "a redirect is not followed, and nothing tried twice");
    }
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 8, "other devices had it each time");
}

#[tokio::test]
async fn an_unresponsive_service_times_out() {
    let elsewhere = PushService::start().await;
    let args = ["--matrix-allow-address", "127.0.0.0/8", "--matrix-timeout", "1s"];
    let server = Server::start_trusting(&elsewhere.certificate(), &args);
    let mut peer = server.connect().await;
    let response = notify(&mut peer, &notification(&[&elsewhere.url("silent")])).await;
    assert_error(&response, 502, "push-service", "M_UNKNOWN");
}

#[tokio::test]
async fn unreachable_and_untrusted_hosts_do_not_reject_the_pushkey() {
    let elsewhere = PushService::start().await;
    let stranger = Identity::new();
    let server = Server::start_trusting(&stranger.certificate(), &LOOPBACK);
    let mut peer = server.connect().await;
    for pushkey in [elsewhere.url("201"), "https://127.0.0.1:1/x".into(), "https://no-host.invalid/x".into()]
    {
        let response = notify(&mut peer, &notification(&[&pushkey])).await;
        assert_error(&response, 502, "push-service", "M_UNKNOWN");
    }
    assert_eq!(elsewhere.waiting(), 0, "nothing was sent to who could not prove its name");
}

#[tokio::test]
async fn private_addresses_are_rejected_by_default() {
    let elsewhere = PushService::start().await;
    let server = Server::start_trusting(&elsewhere.certificate(), &[]);
    let mut peer = server.connect().await;
    let port = elsewhere.origin.rsplit(':').next().unwrap();
    let pushkeys = ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "127.1", "0.0.0.0"]
        .map(|host| format!("https://{host}:{port}/201"));
    let response = notify(&mut peer, &notification(&pushkeys.each_ref().map(String::as_str))).await;
    assert_eq!(rejected(&response), json!(pushkeys));
    assert_eq!(elsewhere.waiting(), 0);
}

/// The gateway under a name that it does not recognize as its own.
#[tokio::test]
async fn a_pushkey_of_the_gateway_itself_is_rejected() {
    let identity = Identity::new();
    let (certificate, key) = (identity.certificate(), identity.key());
    let tls =
        ["--host", "127.0.0.1", "--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let args = [&LOOPBACK[..], &tls, &["--origin", "https://push.example"]].concat();
    let server = Server::start_trusting(&certificate, &args);
    let round = format!("https://{}{NOTIFY}", server.address);
    let first = Server::start_trusting(&certificate, &LOOPBACK);
    let mut peer = first.connect().await;
    assert_eq!(rejected(&notify(&mut peer, &notification(&[&round])).await), json!([round]));
    let headers = [("via", "1.1 webpush-server-matrix-gateway")];
    let body = notification(&["https://127.0.0.1/x"]).to_string();
    let response = peer.request(http::Method::POST, NOTIFY, &headers, body).await;
    assert_error(&response, 400, "notification-malformed", "M_BAD_JSON");
}
