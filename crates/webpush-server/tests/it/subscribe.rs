//! Subscriptions and sets (RFC 8030 §4).

use crate::support::{Server, Subscription, header};
use http::{Method, StatusCode};

#[tokio::test]
async fn r8030_4_a_b_c_d_subscribing_gives_absolute_urls() {
    let server = Server::start();
    let response = server.connect().await.post("/subscribe", &[], "").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let urls = Subscription::from_response(&response);
    for url in [&urls.subscription, &urls.push, &urls.set] {
        assert!(url.starts_with(&format!("{}/", server.origin)), "{url}");
    }
    assert_eq!(header(&response, "cache-control"), "no-store");
}

#[tokio::test]
async fn r8030_2_1_a_b_one_push_resource_that_is_not_the_subscription() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let response = peer.post("/subscribe", &[], "").await;
    let rel = r#"rel="urn:ietf:params:push""#;
    let links = response.headers().get_all("link").iter();
    assert_eq!(links.filter(|link| link.to_str().unwrap().ends_with(rel)).count(), 1);
    let urls = Subscription::from_response(&response);
    let token = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    assert_ne!(token(&urls.subscription), token(&urls.push));
    let guess = urls.push.replace("/push/", "/subscription/");
    assert_eq!(peer.drain(&guess).await.1, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn r8030_4_1_a_b_a_set_sent_back_is_used_again() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let first = peer.subscribe().await;
    let second = peer.subscribe_in(&first.set).await;
    assert_eq!(second.set, first.set);
    assert_ne!(second.push, first.push);
    let relative = first.set.strip_prefix(&server.origin).unwrap();
    assert_eq!(peer.subscribe_in(relative).await.set, first.set);
}

#[tokio::test]
async fn r8030_4_1_c_a_wrong_set_is_400() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let gone = peer.subscribe().await.set;
    assert_eq!(peer.delete(&gone).await, StatusCode::NO_CONTENT);
    for wrong in [
        format!("{}/subscription-set/AAAA", server.origin),
        "https://elsewhere.example/subscription-set/x".to_owned(),
        urls.subscription,
        urls.push,
        gone,
        "x".to_owned(),
    ] {
        let link = format!("<{wrong}>; rel=\"urn:ietf:params:push:set\"");
        let response = peer.post("/subscribe", &[("link", &link)], "").await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    let response = peer.post("/subscribe", &[("link", "no link")], "").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn r8030_4_1_e_without_a_set_each_subscription_stands_alone() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let (one, two) = (peer.subscribe().await, peer.subscribe().await);
    assert_ne!(one.set, two.set);
    peer.push(&one.push, "one").await;
    assert_eq!(peer.drain(&two.set).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8292_4_1_b_a_body_of_another_type_is_ignored() {
    let server = Server::start();
    let mut peer = server.connect().await;
    for headers in [&[("content-type", "application/json")][..], &[]] {
        Subscription::from_response(&peer.post("/subscribe", headers, "{broken").await);
    }
}

#[tokio::test]
async fn r9110_a_wrong_methods_are_405_and_unknown_paths_404() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let message = peer.push(&urls.push, "x").await;
    for (url, method, allow) in [
        ("/subscribe", Method::GET, "POST"),
        (urls.push.as_str(), Method::PUT, "GET, HEAD, POST, OPTIONS"),
        (&urls.push, Method::DELETE, "GET, HEAD, POST, OPTIONS"),
        (&urls.subscription, Method::POST, "GET, DELETE, OPTIONS"),
        (&urls.set, Method::PUT, "GET, DELETE, OPTIONS"),
        (&message, Method::POST, "GET, HEAD, DELETE, OPTIONS"),
        ("/", Method::POST, "GET, HEAD"),
    ] {
        let response = peer.request(method, url, &[("ttl", "1")], "").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{url}");
        assert_eq!(header(&response, "allow"), allow);
    }
    for unknown in ["/nothing", "/push/", "/push/AAAA", "/message/%ff", "/subscription", "/push/%2e%2e/"] {
        let response = peer.post(unknown, &[("ttl", "1")], "x").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(header(&response, "content-type"), "application/problem+json");
    }
}
