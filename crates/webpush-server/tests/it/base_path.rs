//! C5: a public origin with a path, behind a proxy that shares a host.

use crate::admin::{ask_with, owners};
use crate::agent::open;
use crate::support::{Server, header};
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::net::TcpStream;

const ORIGIN: &str = "https://example.org/push";

/// C5: a public origin with a path.
#[tokio::test]
async fn urls_and_requests_are_below_the_path_of_the_origin() {
    let server = Server::start_with(&["--origin", ORIGIN, "--admin", "127.0.0.1:0"]);
    assert_eq!(server.origin, ORIGIN);
    let mut peer = server.connect_as("https://example.org").await;
    let created = peer.request(Method::POST, "/push/subscribe", &[], Bytes::new()).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let subscription = header(&created, "location").to_owned();
    assert!(subscription.starts_with("https://example.org/push/subscription/"), "{subscription}");
    let links: Vec<_> = created.headers().get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    let url_of = |rel: &str| {
        let link = links.iter().find(|link| link.ends_with(&format!("rel=\"{rel}\""))).unwrap();
        link[1..link.find('>').unwrap()].to_owned()
    };
    let (push, set) = (url_of("urn:ietf:params:push"), url_of("urn:ietf:params:push:set"));
    assert!(push.starts_with("https://example.org/push/push/"), "{push}");
    let message = peer.push(&push, "x").await;
    let (pushes, _) = peer.drain(&subscription).await;
    assert_eq!(pushes[0].url(), message, "the promised URL");
    // A set is named by its URL or its path.
    for name in [&*set, set.strip_prefix("https://example.org").unwrap()] {
        let link = format!("<{name}>; rel=\"urn:ietf:params:push:set\"");
        let created = peer.request(Method::POST, "/push/subscribe", &[("link", &link)], Bytes::new()).await;
        assert_eq!(created.status(), StatusCode::CREATED, "{name}");
    }
    // The admin API finds it by its URL.
    let (token, admin) = (owners(&server), &server.admin);
    assert_eq!(ask_with(admin, "POST", "/admin/find", &[&token], &push).await.0, 200);
    assert_eq!(ask_with(admin, "POST", "/admin/trace", &[], &message).await.0, 200);
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    // Health checks on this machine need no path.
    for path in ["/health", "/push/health"] {
        assert_eq!(peer.get(path, &[]).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(peer.get("/pushed/health", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn agents_of_every_protocol_work_below_the_path() {
    let server = Server::start_with(&["--origin", ORIGIN]);
    let mut sender = server.connect_as("https://example.org").await;
    for path in ["/push", "/push/"] {
        let (_, agent) = open(TcpStream::connect(&server.address).await.unwrap(), path, "").await;
        let mut agent = agent.unwrap();
        agent.hello(None).await;
        let push = agent.register(0).await;
        assert!(push.starts_with("https://example.org/push/push/"), "{push}");
        sender.push(&push, "x").await;
    }
    let device = sender.request(Method::POST, "/push/devices", &[], Bytes::new()).await;
    let links = header(&device, "link").to_owned();
    let channels = links.split("</push/devices/").nth(2).unwrap().split('>').next().unwrap();
    let channel = sender.request(Method::POST, &format!("/push/devices/{channels}"), &[], Bytes::new()).await;
    assert_eq!(channel.status(), StatusCode::CREATED, "{links}");
    let update = header(&channel, "location").to_owned();
    assert!(update.starts_with("https://example.org/push/updates/"), "{update}");
    assert_eq!(sender.request(Method::PUT, &update, &[], "x").await.status(), StatusCode::OK);
}

/// The audience of a token is an origin, which has no path (RFC 8292 §2).
#[tokio::test]
async fn tokens_are_for_the_origin_without_its_path() {
    let server = Server::start_with(&["--origin", ORIGIN]);
    let mut peer = server.connect_as("https://example.org").await;
    let created = peer.request(Method::POST, "/push/subscribe", &[], Bytes::new()).await;
    let push = created.headers().get_all("link").iter().next().unwrap().to_str().unwrap();
    let push = &push[1..push.find('>').unwrap()];
    let vapid = crate::vapid::header_for("https://example.org");
    let sent = peer.post(push, &[("ttl", "60"), ("authorization", &vapid)], "x").await;
    assert_eq!(sent.status(), StatusCode::CREATED, "{:?}", sent.body());
}
