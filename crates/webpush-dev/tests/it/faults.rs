//! Injected failures.

use crate::support::Server;
use serde_json::{Value, json};

#[tokio::test]
async fn statuses_are_returned_as_often_as_asked_in_the_form_of_the_service() {
    let server = Server::start().await;
    for service in ["local", "fcm", "mozilla", "apple", "wns"] {
        let subscription = server.control("POST", "/subscriptions", json!({ "service": service }), 201).await;
        let fault = json!({ "subscription": subscription["id"], "status": 429, "retryAfter": 7, "times": 2 });
        let fault = server.control("POST", "/faults", fault, 201).await;
        for _ in 0..2 {
            let reply = server.push(&subscription, "again", &[]).await;
            assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (429, "7"), "{service}");
        }
        let query = format!("subscription={}&state=refused", subscription["id"].as_str().unwrap());
        assert_eq!(server.wait_for(&query).await["fault"], fault["id"]);
        assert_eq!(server.get("/faults").await["faults"], json!([]), "used up");
    }
}

#[tokio::test]
async fn a_lost_message_is_accepted_and_never_delivered() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    server.control("POST", "/faults", json!({ "outcome": "lost" }), 201).await;
    // One that is refused anyway does not look accepted.
    assert_eq!(server.push(&subscription, "refused", &[("ttl", "x")]).await.status, 400);
    server.control("POST", "/faults", json!({ "outcome": "lost" }), 201).await;
    let reply = server.push(&subscription, "lost", &[]).await;
    assert_eq!((reply.status, reply.headers["ttl"].as_str()), (201, "60"));
    assert!(reply.headers["location"].contains("/message/"));
    server.push(&subscription, "after it", &[]).await;
    server.wait_for("text=after&state=delivered").await;
    assert_eq!(server.wait_for("text=lost").await["state"], "lost");
}

#[tokio::test]
async fn messages_are_delivered_twice_or_out_of_order() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    server.control("POST", "/faults", json!({ "outcome": "duplicate" }), 201).await;
    server.push(&subscription, "twice", &[]).await;
    let twice = server.wait_until("text=twice", |message| message["deliveries"] == 2).await;
    assert_eq!(twice["state"], "delivered");

    server.control("POST", "/faults", json!({ "outcome": "reorder" }), 201).await;
    assert_eq!(server.push(&subscription, "first", &[]).await.status, 201);
    assert_eq!(server.wait_for("text=first").await["state"], "accepted");
    server.push(&subscription, "second", &[]).await;
    let second = server.wait_for("text=second&state=delivered").await;
    let first = server.wait_for("text=first&state=delivered").await;
    assert!(first["delivered"].as_str() >= second["delivered"].as_str());
}

#[tokio::test]
async fn faults_are_listed_removed_and_checked() {
    let server = Server::start().await;
    let fault = server.control("POST", "/faults", json!({ "delay": "1ms", "status": 503 }), 201).await;
    assert_eq!((&fault["delay"], &fault["times"], &fault["used"]), (&"1ms".into(), &1.into(), &0.into()));
    assert_eq!(server.get("/faults").await["faults"][0], fault);
    let path = format!("/faults/{}", fault["id"].as_str().unwrap());
    server.control("DELETE", &path, Value::Null, 204).await;
    server.control("DELETE", &path, Value::Null, 404).await;
    for wrong in [json!({}), json!({ "status": 200 }), json!({ "status": "404" }), json!({ "state": 404 })] {
        let error = server.control("POST", "/faults", wrong, 400).await;
        assert!(error["error"].is_string());
    }
}

#[tokio::test]
async fn a_held_message_keeps_its_ttl() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    server.control("POST", "/faults", json!({ "outcome": "reorder" }), 201).await;
    server.push(&subscription, "held", &[]).await;
    server.control("POST", "/clock", json!({ "advance": "25h" }), 200).await;
    assert_eq!(server.wait_for("text=held").await["state"], "expired");
    server.push(&subscription, "the next", &[]).await;
    server.wait_for("text=next&state=delivered").await;
    assert_eq!(server.wait_for("text=held").await["state"], "expired");
    // One with TTL 0 cannot wait.
    server.control("POST", "/faults", json!({ "outcome": "reorder" }), 201).await;
    server.push(&subscription, "now", &[("ttl", "0")]).await;
    server.wait_for("text=now&state=delivered").await;
}

#[tokio::test]
async fn of_two_deliveries_with_a_topic_the_second_counts() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    server.control("PATCH", &path, json!({ "online": false }), 200).await;
    server.control("POST", "/faults", json!({ "outcome": "duplicate" }), 201).await;
    server.push(&subscription, "twice", &[("topic", "a")]).await;
    server.control("PATCH", &path, json!({ "online": true }), 200).await;
    let message = server.wait_for("text=twice&state=delivered").await;
    assert_eq!((&message["deliveries"], &message["acknowledged"]), (&1.into(), &"delivered".into()));
}

#[tokio::test]
async fn a_foreign_page_that_guesses_uses_up_no_fault_and_leaves_no_record() {
    let server = Server::start().await;
    server.control("POST", "/faults", json!({ "status": 429 }), 201).await;
    let page = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(server.request("POST", "/push/guessed", &page, b"x").await.status, 404);
    assert_eq!(server.get("/faults").await["faults"][0]["used"], 0);
    assert_eq!(server.get("/messages").await["messages"], json!([]));
    assert_eq!(server.request("POST", "/push/unknown", &[], b"x").await.status, 429, "a program's is a push");
}
