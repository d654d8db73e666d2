//! The push services of vendors, by their host names.

use crate::support::{Application, Server, now};
use serde_json::{Value, json};

#[tokio::test]
async fn each_vendor_accepts_what_is_signed_for_it() {
    let (server, application) = (Server::start().await, Application::new());
    for (service, host) in [
        ("fcm", "fcm.googleapis.com"),
        ("mozilla", "updates.push.services.mozilla.com"),
        ("apple", "web.push.apple.com"),
        ("wns", "notify.windows.com"),
    ] {
        let request = json!({ "applicationServerKey": application.key(), "service": service });
        let subscription = server.control("POST", "/subscriptions", request, 201).await;
        assert!(subscription["endpoint"].as_str().unwrap().contains(host));
        let authorization = application.authorization(&subscription, now());
        let reply = server.push(&subscription, service, &[("authorization", &authorization)]).await;
        assert_eq!(reply.status, 201, "{service}: {}", reply.text());
        let delivered = server.wait_for(&format!("text={service}&state=delivered")).await;
        assert_eq!(
            (&delivered["service"], &delivered["endpoint"]),
            (&service.into(), &subscription["endpoint"])
        );

        let other = json!({ "endpoint": "https://elsewhere.example/x" });
        let authorization = application.authorization(&other, now());
        let reply = server.push(&subscription, "wrong aud", &[("authorization", &authorization)]).await;
        assert!(matches!(reply.status, 401 | 403), "{service}: {}", reply.status);
    }
}

#[tokio::test]
async fn a_token_for_a_vendor_is_invalid_at_the_servers_own_urls() {
    let (server, application) = (Server::start().await, Application::new());
    let request = json!({ "applicationServerKey": application.key(), "service": "local" });
    let subscription = server.control("POST", "/subscriptions", request, 201).await;
    let vendor = json!({ "endpoint": "https://fcm.googleapis.com/fcm/send/x" });
    let authorization = application.authorization(&vendor, now());
    assert_eq!(server.push(&subscription, "x", &[("authorization", &authorization)]).await.status, 403);
}

#[tokio::test]
async fn vendors_have_nothing_but_push_urls() {
    let server = Server::start().await;
    for (host, path) in [
        ("fcm.googleapis.com", "/dev/ready"),
        ("fcm.googleapis.com", "/subscribe"),
        ("updates.push.services.mozilla.com", "/"),
        ("web.push.apple.com", "/a/b"),
        ("wns2-par02p.notify.windows.com", "/health"),
    ] {
        let reply = server.request("GET", path, &[("host", host)], b"").await;
        assert_eq!(reply.status, 404, "{host}{path}");
    }
    assert_eq!(server.get("/messages").await["messages"], Value::from(Vec::<Value>::new()));
}
