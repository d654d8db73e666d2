//! Web pages and strangers have no access to the control API.

use crate::support::Server;
use webpush_dev::server::DevConfig;

#[tokio::test]
async fn foreign_pages_are_refused_and_nothing_changes() {
    let server = Server::start_with(DevConfig { names: vec!["push".into()], ..DevConfig::default() }).await;
    let foreign: [&[(&str, &str)]; 5] = [
        &[("host", "evil.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "null")],
    ];
    for headers in foreign {
        for (method, path) in [
            ("GET", "/dev"),
            ("GET", "/dev/ready"),
            ("POST", "/dev/subscriptions"),
            ("POST", "/dev/reset"),
            ("GET", "/dev/events"),
            ("GET", "/dev/nothing"),
            ("POST", "/get-notifications"),
            ("POST", "/status"),
        ] {
            let reply = server.request(method, path, headers, b"").await;
            assert_eq!(reply.status, 403, "{method} {path} {headers:?}");
            assert!(!reply.headers.contains_key("access-control-allow-origin"));
        }
    }
    assert_eq!(server.get("/subscriptions").await["subscriptions"], serde_json::json!([]));
    assert_eq!(server.request("GET", "/dev/ready", &[("host", "push:8090")], b"").await.status, 200);
}

#[tokio::test]
async fn the_inspector_and_the_description_are_served() {
    let server = Server::start().await;
    let page = server.request("GET", "/dev", &[], b"").await;
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    let text = page.text();
    let path = text.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let script = server.request("GET", path, &[], b"").await;
    assert!(script.headers["content-type"].starts_with("text/javascript"));
    assert!(server.request("GET", "/dev/env", &[], b"").await.text().contains("export HTTPS_PROXY="));
    assert_eq!(server.get("/ready").await, server.ready());
}

#[tokio::test]
async fn the_description_names_every_resource() {
    let server = Server::start().await;
    let api = server.get("/openapi.json").await;
    assert_eq!(api["openapi"], "3.1.0");
    let paths = api["paths"].as_object().unwrap();
    for (path, methods) in paths {
        let concrete = path.replace("{id}", "x9");
        for method in methods.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            // Streams do not end.
            if path != "/events" {
                let url = format!("/dev/ns/described{concrete}");
                let reply = server.request(&method.to_uppercase(), &url, &[], b"").await;
                assert_ne!(reply.status, 405, "{method} {path}");
                let is_unknown = reply.status == 404 && !path.contains("{id}");
                assert!(!is_unknown, "{method} {path}");
            }
        }
    }
    for path in ["/subscriptions/{id}/rotate", "/messages/{id}/body", "/clock", "/proxy", "/reset", "/env"] {
        assert!(paths.contains_key(path), "{path}");
    }
}
