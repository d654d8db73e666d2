//! Notifications: members, headers, order, urgency, TTL and topics.

use crate::agent::{Agent, Registered, assert_nothing_before, channel, push, push_many, texts, with_channel};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const TTL: (&str, &str) = ("ttl", "60");

/// Returns the last segment of a URL.
fn token(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_notification_has_the_same_members_as_in_autopush() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    let headers = [TTL, ("content-encoding", "aes128gcm"), ("urgency", "high"), ("topic", "t")];
    let location = push(&mut sender, &url, &headers, &b"\xff\xfe\xfd?"[..]).await;
    let expected = format!(
        r#"{{"messageType":"notification","channelID":"{}","version":"{}","data":"__79Pw","headers":{{"encoding":"aes128gcm"}}}}"#,
        channel(0),
        token(&location)
    );
    assert_eq!(agent.text().await, expected);
}

#[tokio::test]
async fn aesgcm_headers_have_no_quotes_and_padding() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    let headers = [
        TTL,
        ("content-encoding", "aesgcm"),
        ("encryption", "keyid=\"p256dh\";salt=\"AAAAAAAAAAAAAAAAAAAAAA==\"; rs=4096"),
        ("crypto-key", "keyid=p256dh;dh=\"BP-_a==\";p256ecdsa=BBBB="),
    ];
    push(&mut sender, &url, &headers, "x").await;
    let expected = json!({
        "encoding": "aesgcm",
        "encryption": "keyid=p256dh;salt=AAAAAAAAAAAAAAAAAAAAAA; rs=4096",
        // The key of the sender is for the server only (RFC 8292 §4.2).
        "crypto_key": "keyid=p256dh;dh=BP-_a",
    });
    assert_eq!(agent.receive().await["headers"], expected);
}

#[tokio::test]
async fn without_a_body_there_is_neither_data_nor_headers() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    let location = push(&mut sender, &url, &[TTL, ("content-encoding", "aes128gcm")], "").await;
    let expected = format!(
        r#"{{"messageType":"notification","channelID":"{}","version":"{}"}}"#,
        channel(0),
        token(&location)
    );
    assert_eq!(agent.text().await, expected);
    push(&mut sender, &url, &[TTL], "x").await;
    let message = agent.receive().await;
    assert_eq!((&message["data"], &message["headers"]), (&json!("eA"), &json!({})));
}

#[tokio::test]
async fn bodies_of_every_size_arrive_complete_and_in_order() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    // With the rest of the notification, these lengths need all three encodings of a frame length.
    let lengths = [1, 2, 3, 50, 4095, 4096];
    for length in lengths {
        push(&mut sender, &url, &[TTL], "x".repeat(length)).await;
    }
    for length in lengths {
        assert_eq!(agent.notification().await.text.len(), length);
    }
}

#[tokio::test]
async fn all_channels_share_the_order_of_acceptance() {
    let (server, mut sender, Registered { mut agent, uaid, push: first }) = with_channel(&[]).await;
    let second = agent.register(1).await;
    agent.leave().await;
    for number in 0..40_usize {
        let url = if number % 3 == 0 { &second } else { &first };
        push(&mut sender, url, &[TTL], number.to_string()).await;
    }
    let mut agent = Agent::again(&server, &uaid).await;
    // New messages do not overtake stored ones that are still being delivered.
    push_many(&mut sender, &first, 40..50).await;
    let all = agent.notifications(50).await;
    assert_eq!(texts(&all), (0..50).map(|it| it.to_string()).collect::<Vec<_>>());
    assert!(all[..40].iter().enumerate().all(|(at, it)| (it.channel == channel(1)) == (at % 3 == 0)));
}

#[tokio::test]
async fn less_urgent_messages_stay_stored_until_the_minimum_is_lowered() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    agent.urgency("normal").await;
    for urgency in ["very-low", "low", "normal", "high"] {
        push(&mut sender, &url, &[TTL, ("urgency", urgency)], urgency).await;
    }
    let above = agent.notifications(2).await;
    assert_eq!(texts(&above), ["normal", "high"]);
    agent.urgency("low").await;
    let low = agent.notification().await;
    assert_eq!(low.text, "low", "and not again what is under way");
    agent.ack([&above[1]]).await;
    agent.urgency("high").await;
    agent.urgency("very-low").await;
    assert_eq!(agent.notification().await.text, "very-low");
    assert_nothing_before(&mut agent, &mut sender, &url).await;
    // The minimum belongs to one connection: Sunup sends it each time.
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(texts(&agent.notifications(3).await), ["very-low", "low", "normal"]);
}

#[tokio::test]
async fn acknowledged_messages_are_not_redelivered_with_a_lower_minimum() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    for round in 0..100_usize {
        push(&mut sender, &url, &[TTL], round.to_string()).await;
        let one = agent.notification().await;
        assert_eq!(one.text, round.to_string());
        // In one write, so that they arrive together.
        let frame = |message: &Value| crate::agent::frame(crate::agent::TEXT, message.to_string().as_bytes());
        let messages = [
            json!({"messageType": "urgency", "min": "high"}),
            json!({"messageType": "ack", "updates": [{"channelID": one.channel, "version": one.version}]}),
            json!({"messageType": "urgency", "min": "very-low"}),
        ];
        agent.send(&messages.iter().flat_map(frame).collect::<Vec<_>>()).await;
        for _ in 0..2 {
            assert_eq!(agent.receive().await, json!({"messageType": "urgency", "status": 200}));
        }
    }
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn an_invalid_urgency_is_refused_and_changes_nothing() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    agent.urgency("high").await;
    for wrong in [json!("loud"), json!(null), json!("")] {
        let reply = agent.ask(&json!({"messageType": "urgency", "min": wrong})).await;
        assert_eq!(reply, json!({"messageType": "urgency", "status": 400}));
    }
    push(&mut sender, &url, &[TTL], "normal").await;
    push(&mut sender, &url, &[TTL, ("urgency", "high")], "high").await;
    assert_eq!(agent.notification().await.text, "high");
}

#[tokio::test]
async fn ttl_zero_messages_reach_connected_agents_only() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    push(&mut sender, &url, &[("ttl", "0")], "now").await;
    let now = agent.notification().await;
    assert_eq!(now.text, "now");
    agent.ack([&now]).await;
    agent.leave().await;
    // No response announces that it has disconnected.
    let mut agent = Agent::again(&server, &uaid).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn an_acknowledgement_creates_the_requested_receipt() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    for ttl in ["60", "0"] {
        let headers = [("ttl", ttl), ("prefer", "respond-async")];
        let response = sender.request(Method::POST, &url, &headers, "x").await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let location = crate::support::header(&response, "location").to_owned();
        let receipts = crate::support::link(response.headers(), "urn:ietf:params:push:receipt");
        let mut monitor = sender.monitor(&receipts, &[]).await;
        let message = agent.notification().await;
        agent.ack([&message]).await;
        let receipt = monitor.next().await;
        assert_eq!((receipt.url(), receipt.response.status()), (location, StatusCode::NO_CONTENT));
    }
}

#[tokio::test]
async fn a_message_can_also_be_read_and_acknowledged_by_its_url() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    let location = push(&mut sender, &url, &[TTL], "x").await;
    let message = agent.notification().await;
    assert_eq!(message.version, token(&location));
    assert_eq!(sender.get(&location, &[]).await.body(), "x");
    assert_eq!(sender.delete(&location).await, StatusCode::NO_CONTENT);
    agent.ack([&message]).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}
