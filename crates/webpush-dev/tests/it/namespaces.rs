//! Parallel tests on one server.

use crate::support::Server;
use serde_json::{Value, json};
use std::sync::Arc;

/// Workers of a large test run.
const NAMESPACES: usize = 200;

#[tokio::test]
async fn two_hundred_namespaces_do_not_see_each_other() {
    let server = Arc::new(Server::start().await);
    let workers: Vec<_> = (0..NAMESPACES)
        .map(|number| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { worker(&server, number).await })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let all = server.get("/messages?limit=1000").await;
    assert_eq!(all["messages"].as_array().unwrap().len(), 2 * NAMESPACES);
}

async fn worker(server: &Server, number: usize) {
    let base = format!("/ns/worker-{number}");
    let subscriptions = format!("{base}/subscriptions");
    let subscription = server.control("POST", &subscriptions, json!({ "service": "local" }), 201).await;
    server.control("POST", &format!("{base}/faults"), json!({ "status": 404 }), 201).await;
    assert_eq!(server.push(&subscription, "refused", &[]).await.status, 404);
    assert_eq!(server.push(&subscription, &format!("for {number}"), &[]).await.status, 201);
    let found = server.get(&format!("{base}/messages?state=delivered&wait=60s")).await;
    assert_eq!(found["messages"][0]["text"], format!("for {number}"));
    assert_eq!(server.get(&subscriptions).await["subscriptions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reset_is_for_its_namespace_only() {
    let server = Server::start().await;
    let one = server.control("POST", "/ns/one/subscriptions", json!({ "service": "local" }), 201).await;
    let two = server.control("POST", "/ns/two/subscriptions", json!({ "service": "local" }), 201).await;
    for (subscription, text) in [(&one, "one"), (&two, "two")] {
        server.push(subscription, text, &[]).await;
    }
    server.control("POST", "/ns/one/faults", json!({ "status": 500 }), 201).await;
    server.control("POST", "/ns/two/faults", json!({ "status": 500, "times": null }), 201).await;
    server.control("POST", "/ns/one/reset", Value::Null, 204).await;

    assert_eq!(server.push(&one, "gone", &[]).await.status, 404);
    assert_eq!(server.push(&two, "fault", &[]).await.status, 500);
    assert_eq!(server.get("/ns/one/messages").await["messages"], json!([]));
    assert_eq!(server.get("/ns/two/messages").await["messages"][0]["text"], "two");
    server.control("GET", "/ns/a%20b/messages", Value::Null, 400).await;

    server.control("POST", "/reset", Value::Null, 204).await;
    assert_eq!(server.get("/messages").await["messages"], json!([]));
    assert_eq!(server.get("/faults").await["faults"], json!([]));
    assert_eq!(server.push(&two, "gone", &[]).await.status, 404);
}
