//! Subscriptions that expire, rotate, or are a browser's.

use crate::support::{Application, Server, now};
use serde_json::{Value, json};

#[tokio::test]
async fn an_expired_subscription_is_gone_as_its_service_says() {
    let (server, application) = (Server::start().await, Application::new());
    for (service, status) in [("local", 404), ("https", 404), ("fcm", 410), ("mozilla", 410), ("apple", 410)]
    {
        let subscription = server.control("POST", "/subscriptions", json!({ "service": service }), 201).await;
        let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
        server.control("DELETE", &path, Value::Null, 204).await;
        let authorization = application.authorization(&subscription, now());
        let reply = server.push(&subscription, "to nobody", &[("authorization", &authorization)]).await;
        assert_eq!(reply.status, status, "{service}");
        assert_eq!(server.get(&path).await["state"], "gone");
        server.control("PATCH", &path, json!({ "online": true }), 409).await;
    }
}

#[tokio::test]
async fn a_rotated_subscription_has_a_new_endpoint_and_new_keys() {
    let server = Server::start().await;
    let old = server.control("POST", "/subscriptions", json!({ "service": "mozilla" }), 201).await;
    let one = format!("/subscriptions/{}", old["id"].as_str().unwrap());
    let path = format!("{one}/rotate");
    server.control("PATCH", &one, json!({ "acknowledge": "not-displayed" }), 200).await;
    let new = server.control("POST", &path, Value::Null, 200).await;
    assert_eq!(new["acknowledge"], "not-displayed");
    assert_eq!(old["id"], new["id"]);
    assert_ne!(old["endpoint"], new["endpoint"]);
    assert_ne!(old["keys"], new["keys"]);
    assert_eq!(server.push(&old, "to the old one", &[]).await.status, 410);
    assert_eq!(server.push(&new, "to the new one", &[]).await.status, 201);
    let query = format!("subscription={}&state=delivered", new["id"].as_str().unwrap());
    assert_eq!(server.wait_for(&query).await["text"], "to the new one");
    server.control("DELETE", &one, Value::Null, 204).await;
    server.control("POST", &path, Value::Null, 409).await;
}

#[tokio::test]
async fn a_browsers_endpoint_is_claimed_and_a_foreign_one_is_not_found() {
    let server = Server::start().await;
    // An agent of RFC 8030 stands for the browser.
    let created = server.request("POST", "/subscribe", &[], b"").await;
    assert_eq!(created.status, 201);
    let links = &created.headers["link"];
    let link = links.split('<').find(|link| link.contains("rel=\"urn:ietf:params:push\""));
    let endpoint = link.and_then(|link| link.split('>').next()).unwrap_or_else(|| panic!("{links}"));
    let claim = json!({ "endpoint": endpoint, "name": "a browser" });
    let claimed = server.control("POST", "/ns/one/subscriptions", claim.clone(), 201).await;
    assert_eq!((&claimed["virtual"], &claimed["keys"]), (&false.into(), &Value::Null));
    let again = server.control("POST", "/ns/two/subscriptions", claim, 201).await;
    assert_eq!((&again["id"], &again["namespace"]), (&claimed["id"], &"two".into()));

    assert_eq!(server.push_body(&claimed, b"encrypted", &[]).await.status, 201);
    let message = &server.get("/ns/two/messages").await["messages"][0];
    assert_eq!((&message["text"], &message["subscription"]), (&Value::Null, &claimed["id"]));
    assert!(message["decryption"].as_str().unwrap().contains("browser"));
    let path = format!("/subscriptions/{}", claimed["id"].as_str().unwrap());
    server.control("PATCH", &path, json!({ "online": false }), 409).await;
    server.control("POST", &format!("{path}/rotate"), Value::Null, 200).await;
    assert_eq!(server.push_body(&claimed, b"encrypted", &[]).await.status, 404);

    for wrong in
        ["https://push.example/push/x", "http://127.0.0.1:1/push/x", "https://fcm.googleapis.com/fcm/send/x"]
    {
        server.control("POST", "/subscriptions", json!({ "endpoint": wrong }), 404).await;
    }
    server.control("POST", "/subscriptions", json!({ "endpoint": "not a url" }), 400).await;
    let removed = json!({ "endpoint": claimed["endpoint"] });
    server.control("POST", "/subscriptions", removed, 404).await;
}

#[tokio::test]
async fn mistakes_are_explained() {
    let server = Server::start().await;
    for (body, part) in [
        (json!({ "service": "gcm" }), "fcm"),
        (json!({ "applicationServerKey": "short" }), "P-256"),
        (json!({ "services": "fcm" }), "unknown field"),
        (json!([]), "expected"),
    ] {
        let error = server.control("POST", "/subscriptions", body, 400).await;
        assert!(error["error"].as_str().unwrap().contains(part), "{error}");
    }
    server.control("GET", "/subscriptions/s99", Value::Null, 404).await;
    server.control("GET", "/nothing", Value::Null, 404).await;
    let reply = server.request("PUT", "/dev/faults", &[], b"").await;
    assert_eq!((reply.status, reply.headers["allow"].as_str()), (405, "GET, POST, DELETE"));
}
