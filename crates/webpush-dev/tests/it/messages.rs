//! Pushes as the control API shows them.

use crate::support::{Application, Server, now};
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_is_decrypted_and_described_and_delivered() {
    let (server, application) = (Server::start().await, Application::new());
    let request =
        json!({ "applicationServerKey": application.key(), "userVisibleOnly": true, "name": "Ada" });
    let subscription = server.control("POST", "/subscriptions", request, 201).await;
    let authorization = application.authorization(&subscription, now());
    let headers = [("authorization", &*authorization), ("topic", "news"), ("urgency", "high")];
    let reply = server.push(&subscription, r#"{"title":"Hi"}"#, &headers).await;
    assert_eq!((reply.status, reply.headers["ttl"].as_str()), (201, "60"), "{}", reply.text());

    let message = server.wait_for("topic=news&state=delivered").await;
    assert_eq!(message["json"]["title"], "Hi");
    assert_eq!(
        (&message["urgency"], &message["ttl"], &message["status"]),
        (&"high".into(), &60.into(), &201.into())
    );
    assert_eq!((&message["subscription"], &message["service"]), (&subscription["id"], &"https".into()));
    assert_eq!(message["vapid"]["key"], application.key());
    assert_eq!((&message["acknowledged"], &message["problem"]), (&"delivered".into(), &Value::Null));
    let id = message["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/messages/{id}")).await["text"], r#"{"title":"Hi"}"#);
    let body = server.request("GET", &format!("/dev/messages/{id}/body"), &[], b"").await.body;
    assert_eq!(body.len() as u64, message["size"].as_u64().unwrap());
}

#[tokio::test]
async fn refused_pushes_are_messages_too_with_the_reason() {
    let (server, application) = (Server::start().await, Application::new());
    let request = json!({ "applicationServerKey": application.key() });
    let subscription = server.control("POST", "/subscriptions", request, 201).await;
    assert_eq!(server.push(&subscription, "no credentials", &[]).await.status, 401);
    let stranger = Application::new().authorization(&subscription, now());
    assert_eq!(server.push(&subscription, "a stranger", &[("authorization", &stranger)]).await.status, 403);
    let authorization = application.authorization(&subscription, now());
    let headers = [("authorization", &*authorization), ("ttl", "soon")];
    assert_eq!(server.push(&subscription, "no TTL", &headers).await.status, 400);
    let big = vec![0; 5000];
    assert_eq!(server.push_body(&subscription, &big, &[("authorization", &authorization)]).await.status, 413);
    let huge = vec![0; 100_000];
    assert_eq!(
        server.push_body(&subscription, &huge, &[("authorization", &authorization)]).await.status,
        413
    );

    let refused = server.get("/messages?state=refused").await;
    let statuses: Vec<_> = refused["messages"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [401, 403, 400, 413, 413]);
    for message in refused["messages"].as_array().unwrap() {
        assert!(message["problem"].as_str().is_some_and(|problem| problem.len() > 10), "{message}");
    }
}

#[tokio::test]
async fn ttl_0_and_topics_are_those_of_the_service() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    server.push(&subscription, "now", &[("ttl", "0")]).await;
    server.wait_for("text=now&state=delivered").await;

    server.control("PATCH", &path, json!({ "online": false }), 200).await;
    let mut events = server.events("/events").await;
    server.push(&subscription, "never", &[("ttl", "0")]).await;
    while events.next().await["state"] != "expired" {}
    for text in ["old news", "fresh news"] {
        server.push(&subscription, text, &[("topic", "news")]).await;
    }
    server.wait_for("text=old&state=replaced").await;
    assert_eq!(server.wait_for("text=fresh").await["state"], "accepted");
    assert_eq!(server.control("PATCH", &path, json!({ "online": true }), 200).await["online"], true);
    server.wait_for("text=fresh&state=delivered").await;
}

#[tokio::test]
async fn an_agent_acknowledges_as_it_is_told() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    for acknowledge in ["decryption-failed", "not-displayed"] {
        let changed = server.control("PATCH", &path, json!({ "acknowledge": acknowledge }), 200).await;
        assert_eq!(changed["acknowledge"], acknowledge);
        server.push(&subscription, acknowledge, &[]).await;
        let message = server.wait_for(&format!("text={acknowledge}&state=delivered")).await;
        assert_eq!(message["acknowledged"], acknowledge);
    }
    server.control("PATCH", &path, json!({ "acknowledge": "never" }), 200).await;
    server.push(&subscription, "kept", &[]).await;
    assert_eq!(server.wait_for("text=kept").await["state"], "accepted");
    server.control("PATCH", &path, json!({ "acknowledge": "delivered" }), 200).await;
    server.wait_for("text=kept&state=delivered").await;
}

#[tokio::test]
async fn lists_are_paged_cleared_and_streamed() {
    let server = Server::start().await;
    let subscription = server.control("POST", "/subscriptions", json!({ "service": "local" }), 201).await;
    for number in 0..3 {
        server.push(&subscription, &format!("number {number}"), &[]).await;
    }
    let first = server.get("/messages?limit=2").await;
    assert_eq!((first["messages"].as_array().unwrap().len(), &first["next"]), (2, &2.into()));
    let rest = server.get("/messages?after=2").await;
    assert_eq!(rest["messages"][0]["text"], "number 2");
    assert_eq!(server.get("/messages?after=3&wait=10ms").await["messages"], json!([]));
    server.control("GET", "/messages?wait=61s", Value::Null, 400).await;
    for query in ["topics=a", "limit=1001", "limit=1&count=2", "count=x", "state=gone", "wait=5"] {
        server.control("GET", &format!("/messages?{query}"), Value::Null, 400).await;
    }
    let (mut all, mut other) = (server.events("/events").await, server.events("/ns/other/events").await);
    server.push(&subscription, "followed", &[]).await;
    let mut states = Vec::new();
    while states.last() != Some(&Value::from("delivered")) {
        let mut message = all.next().await;
        assert_eq!(message["text"], "followed");
        states.push(message["state"].take());
    }
    let request = json!({ "service": "local" });
    let elsewhere = server.control("POST", "/ns/other/subscriptions", request, 201).await;
    server.push(&elsewhere, "elsewhere", &[]).await;
    assert_eq!(other.next().await["text"], "elsewhere");
    server.control("DELETE", "/messages", Value::Null, 204).await;
    assert_eq!(server.get("/messages").await["messages"], json!([]));
}
