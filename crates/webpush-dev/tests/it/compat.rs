//! The API of npm `web-push-testing`.

use crate::support::Server;
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn its_routes_work_without_its_faults() {
    let server = Server::start().await;
    let status = server.request("POST", "/status", &[], b"").await;
    assert_eq!((status.status, status.text().as_str()), (200, "OK"));
    for (content_type, body) in [(JSON, r#"{"userVisibleOnly":true}"#), (FORM, "userVisibleOnly=true")] {
        let reply = server.request("POST", "/subscribe", &[content_type], body.as_bytes()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let subscription = reply.json()["data"].clone();
        let hash = subscription["clientHash"].as_str().unwrap();
        assert_eq!(hash.len(), 64);
        assert!(subscription["endpoint"].as_str().unwrap().ends_with(&format!("/notify/{hash}")));
        assert_eq!(server.push(&subscription, "hello", &[]).await.status, 201);

        let get = json!({ "clientHash": hash }).to_string();
        let reply = server.request("POST", "/get-notifications", &[JSON], get.as_bytes()).await;
        assert_eq!(reply.json(), json!({ "data": { "messages": ["hello"] } }));
        let path = format!("/expire-subscription/{hash}");
        assert_eq!(server.request("POST", &path, &[], b"").await.status, 200);
        let gone = server.push(&subscription, "to nobody", &[]).await;
        assert_eq!(gone.status, 410);
        assert_eq!(gone.json()["reason"], "Push subscription has unsubscribed or expired.");
    }
    assert_eq!(server.request("POST", "/subscribe", &[JSON], b"[1").await.status, 400);
    for path in ["/expire-subscription/unknown", "/get-notifications", "/notify/unknown"] {
        let reply = server.request("POST", path, &[JSON], b"{}").await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn subscribing_without_a_body_is_that_of_rfc_8030() {
    let server = Server::start().await;
    let reply = server.request("POST", "/subscribe", &[], b"").await;
    assert_eq!(reply.status, 201);
    assert!(reply.headers["link"].contains("urn:ietf:params:push"));
}
