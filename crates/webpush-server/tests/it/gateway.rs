//! The Matrix push gateway (Push Gateway API) for push URLs of the service itself.

use crate::support::{Http2Client, Server, Subscription, header, soon, texts, with_subscription};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) const NOTIFY: &str = "/_matrix/push/v1/notify";

/// A notification for devices with these pushkeys.
pub(crate) fn notification(pushkeys: &[&str]) -> Value {
    let devices: Vec<_> = pushkeys
        .iter()
        .map(|pushkey| json!({"app_id": "im.example", "pushkey": pushkey, "pushkey_ts": 1, "data": {}, "tweaks": {}}))
        .collect();
    json!({"notification": {
        "event_id": "$event", "room_id": "!room:example", "type": "m.room.message", "prio": "high",
        "counts": {"unread": 2}, "content": {"body": "hello"}, "devices": devices,
    }})
}

pub(crate) async fn notify(peer: &mut Http2Client, notification: &Value) -> Response<Bytes> {
    let headers = [("content-type", "application/json")];
    peer.request(Method::POST, NOTIFY, &headers, notification.to_string()).await
}

/// Returns the rejected pushkeys.
pub(crate) fn rejected(response: &Response<Bytes>) -> Value {
    assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
    assert_eq!(header(response, "content-type"), "application/json");
    let mut body: Value = serde_json::from_slice(response.body()).unwrap();
    body["rejected"].take()
}

/// Checks that an error has the members of problems and of Matrix.
pub(crate) fn assert_error(response: &Response<Bytes>, status: u16, name: &str, errcode: &str) {
    assert_eq!(response.status().as_u16(), status, "{:?}", response.body());
    assert_eq!(header(response, "content-type"), "application/problem+json");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&body["type"], &body["errcode"]), (&json!(format!("/errors#{name}")), &json!(errcode)));
    assert_eq!(body["error"], body["detail"]);
}

#[tokio::test]
async fn the_gateway_supports_discovery() {
    let (_server, mut peer, _) = with_subscription().await;
    let response = peer.get(NOTIFY, &[]).await;
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(response.body(), r#"{"unifiedpush":{"gateway":"matrix"}}"#);
    assert_eq!(peer.request(Method::HEAD, NOTIFY, &[], "").await.status(), StatusCode::OK);
    let response = peer.request(Method::PUT, NOTIFY, &[], "").await;
    assert_error(&response, 405, "method-not-allowed", "M_UNRECOGNIZED");
    assert_eq!(header(&response, "allow"), "GET, HEAD, POST");
}

#[tokio::test]
async fn every_device_of_a_notification_is_notified_immediately() {
    let server = Server::start();
    let (mut homeserver, mut agent) = (server.connect().await, server.connect().await);
    let (one, two) = (agent.subscribe().await, agent.subscribe().await);
    let mut listening =
        [agent.monitor(&one.subscription, &[]).await, agent.monitor(&two.subscription, &[]).await];
    let with_query = format!("{}?up=1", two.push);
    let response = notify(&mut homeserver, &notification(&[&one.push, &with_query])).await;
    assert_eq!(rejected(&response), json!([]));
    for (monitor, pushkey) in listening.iter_mut().zip([&one.push, &with_query]) {
        let pushed = monitor.next().await;
        let sent: Value = serde_json::from_str(pushed.text()).unwrap();
        assert_eq!(sent, notification(&[pushkey]), "the notification with this device alone");
        assert_eq!(header(&pushed.response, "content-encoding"), "aes128gcm");
    }
}

#[tokio::test]
async fn a_notification_is_stored_for_an_absent_agent_with_its_urgency() {
    let (_server, mut peer, urls) = with_subscription().await;
    let mut low = notification(&[&urls.push]);
    low["notification"]["prio"] = json!("low");
    for (notification, floors) in [(low, ["high", "normal"]), (notification(&[&urls.push]), ["none", "high"])]
    {
        assert_eq!(rejected(&notify(&mut peer, &notification).await), json!([]));
        let [above, held] = floors;
        if above != "none" {
            assert!(peer.drain_with(&urls.subscription, &[("urgency", above)]).await.0.is_empty());
        }
        let (pushes, _) = peer.drain_with(&urls.subscription, &[("urgency", held)]).await;
        assert_eq!(pushes.len(), 1, "{held}");
        assert_eq!(peer.delete(&pushes[0].url()).await, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn permanently_failing_pushkeys_are_rejected_and_others_served() {
    let (_server, mut peer, urls) = with_subscription().await;
    let gone = peer.subscribe().await;
    assert_eq!(peer.delete(&gone.subscription).await, StatusCode::NO_CONTENT);
    let key = webpush_client::vapid::VapidKey::generate().unwrap().public();
    let options = format!(r#"{{"vapid":"{key}"}}"#);
    let restricted = [("content-type", "application/webpush-options+json")];
    let restricted =
        Subscription::from_response(&peer.request(Method::POST, "/subscribe", &restricted, options).await);
    let never_given_out = format!("{}x", urls.push);
    let in_the_clear = "http://ntfy.example/up";
    let wrong = [
        gone.push.as_str(),
        &restricted.push,
        &never_given_out,
        &urls.subscription,
        in_the_clear,
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://localhost/x",
        "no URL",
    ];
    let pushkeys: Vec<_> = wrong.iter().copied().chain([urls.push.as_str()]).collect();
    assert_eq!(rejected(&notify(&mut peer, &notification(&pushkeys)).await), json!(wrong));
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1);
    assert!(peer.drain(&restricted.subscription).await.0.is_empty());
}

#[tokio::test]
async fn a_notification_that_is_too_large_is_reduced() {
    let (_server, mut peer, urls) = with_subscription().await;
    let mut large = notification(&[&urls.push]);
    large["notification"]["content"]["body"] = json!("x".repeat(60_000));
    assert_eq!(rejected(&notify(&mut peer, &large).await), json!([]));
    let (pushes, _) = peer.drain(&urls.subscription).await;
    let sent: Value = serde_json::from_str(pushes[0].text()).unwrap();
    assert_eq!(
        (&sent["notification"]["event_id"], &sent["notification"]["content"]),
        (&json!("$event"), &json!(null))
    );
}

#[tokio::test]
async fn invalid_notifications_are_refused_with_the_reason() {
    let (_server, mut peer, urls) = with_subscription().await;
    for (body, part) in [
        (json!({}), "notification"),
        (json!({"notification": {"devices": []}}), "1 to 32"),
        (notification(&[urls.push.as_str(); 33]), "1 to 32"),
    ] {
        let response = notify(&mut peer, &body).await;
        assert_error(&response, 400, "notification-malformed", "M_BAD_JSON");
        let output = std::str::from_utf8(response.body()).unwrap();
        assert!(output.contains(part) && !output.contains(&urls.push), "{output}");
    }
    let response = peer.post(NOTIFY, &[], "{not json").await;
    assert_error(&response, 400, "notification-malformed", "M_BAD_JSON");
    let response = peer.request(Method::POST, NOTIFY, &[], vec![b' '; 64 * 1024 + 1]).await;
    assert_error(&response, 413, "body-too-large", "M_TOO_LARGE");
    assert!(peer.drain(&urls.subscription).await.0.is_empty(), "nothing was delivered");
    assert_eq!(rejected(&notify(&mut peer, &notification(&[urls.push.as_str(); 32])).await), json!([]));
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 32);
}

#[tokio::test]
async fn the_rate_of_a_subscription_applies_to_notifications() {
    let server = Server::start_with(&["--rate-limit-loopback", "--push-rate", "1/h:1"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    assert_eq!(rejected(&notify(&mut peer, &notification(&[&urls.push])).await), json!([]));
    let response = notify(&mut peer, &notification(&[&urls.push])).await;
    assert_error(&response, 429, "too-many-requests", "M_LIMIT_EXCEEDED");
    assert_eq!(header(&response, "retry-after"), "3600");
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1);
}

#[tokio::test]
async fn the_gateway_can_be_restricted_or_disabled() {
    let server = Server::start_with(&["--matrix-gateway", "own"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let response = notify(&mut peer, &notification(&["https://ntfy.example/up", &urls.push])).await;
    assert_error(&response, 403, "pushkey-elsewhere", "M_FORBIDDEN");
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1, "its own device is served all the same");

    let server = Server::start_with(&["--matrix-gateway", "off"]);
    let mut peer = server.connect().await;
    assert_error(&peer.get(NOTIFY, &[]).await, 404, "not-found", "M_UNRECOGNIZED");
    let response = notify(&mut peer, &notification(&["https://ntfy.example/up"])).await;
    assert_error(&response, 404, "not-found", "M_UNRECOGNIZED");
}

#[tokio::test]
async fn homeservers_may_speak_http1() {
    let (server, mut peer, urls) = with_subscription().await;
    let body = notification(&[&urls.push]).to_string();
    let request = format!(
        "POST {NOTIFY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = soon("an answer", crate::support::raw_http1(&server.address, &request)).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"rejected":[]}"#), "{answer}");
    let (pushes, _) = peer.drain(&urls.subscription).await;
    let sent: Vec<Value> =
        texts(&pushes).into_iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(sent, [notification(&[&urls.push])]);
}
