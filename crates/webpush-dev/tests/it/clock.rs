//! Time that is advanced.

use crate::support::{Application, Server, now};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn messages_and_tokens_expire_when_the_clock_advances() {
    let (server, application) = (Server::start().await, Application::new());
    let request = json!({ "applicationServerKey": application.key() });
    let subscription = server.control("POST", "/subscriptions", request, 201).await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    server.control("PATCH", &path, json!({ "online": false }), 200).await;
    let authorization = application.authorization(&subscription, now());
    let headers = [("authorization", &*authorization), ("ttl", "3600")];
    assert_eq!(server.push(&subscription, "for an hour", &headers).await.status, 201);

    let clock = server.control("POST", "/clock", json!({ "advance": "25h" }), 200).await;
    assert_eq!(clock["advanced"], "25h");
    assert_eq!(server.get("/messages").await["messages"][0]["state"], "expired");
    assert_eq!(server.push(&subscription, "an old token", &headers).await.status, 403);
    let later = now().after(Duration::from_secs(25 * 3600));
    let authorization = application.authorization(&subscription, later);
    assert_eq!(
        server.push(&subscription, "a new one", &[("authorization", &authorization)]).await.status,
        201
    );

    assert_eq!(server.control("DELETE", "/clock", Value::Null, 200).await["advanced"], "0s");
    server.control("POST", "/clock", json!({ "advance": "1h" }), 200).await;
    server.control("POST", "/reset", Value::Null, 204).await;
    assert_eq!(server.get("/clock").await["advanced"], "0s");
    for wrong in ["", "tomorrow", "-1h", "99999d"] {
        server.control("POST", "/clock", json!({ "advance": wrong }), 400).await;
    }
}
