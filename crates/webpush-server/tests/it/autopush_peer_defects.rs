//! Defects of autopush-rs 1.83.1, by number, that this server must not have.

use crate::admin::ask;
use crate::agent::{Agent, Registered, assert_nothing_before, channel, push, push_many, texts, with_channel};
use crate::inside::LoopbackClient;
use crate::openmetrics::Exposition;
use crate::support::{Http2Client, Server, Subscription, soon};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use std::collections::BTreeSet;
use std::time::Duration;
use webpush_core::id::InboxId;
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::protocol::autopush::names;
use webpush_service::system;
use webpush_store::{Durability, Op};

#[tokio::test]
async fn peer_defect_1_hundreds_of_known_agents_say_hello_at_once() {
    let server = Server::start();
    let register = async |_| Registered::new(&server).await;
    let all = join_all((0..300).map(register)).await;
    let mut sender = server.connect().await;
    for (number, it) in all.iter().enumerate().step_by(30) {
        push(&mut sender, &it.push, &[("ttl", "60")], number.to_string()).await;
    }
    let uaids: Vec<_> = all.into_iter().map(|it| it.uaid).collect();
    let agents = join_all(uaids.iter().map(|uaid| Agent::again(&server, uaid))).await;
    for (number, mut agent) in agents.into_iter().enumerate() {
        if number % 30 == 0 {
            assert_eq!(agent.notification().await.text, number.to_string());
        }
        agent.ping().await;
    }
}

#[tokio::test]
async fn peer_defect_1_ten_thousand_known_agents_say_hello_at_once() {
    let inside = LoopbackClient::new();
    let ids: Vec<_> = (0..10_000_u128).map(|number| names::new_agent((number << 80).to_be_bytes())).collect();
    let inbox = |id: &InboxId| {
        let (created, key) = (system::env().now(), inside.service.keyring.current());
        Op::CreateInbox(Inbox { id: *id, owner: Owner::Agent, created, key })
    };
    inside.service.commit(ids.iter().map(inbox).collect(), Durability::Durable).await.unwrap();
    let hello = async |id: &InboxId| {
        let mut agent = inside.open(1024);
        let uaid = names::uaid(*id);
        assert_eq!(agent.hello(Some(&uaid)).await, uaid);
        agent
    };
    let agents = join_all(ids.iter().map(hello)).await;
    let answers = agents.into_iter().map(async |mut agent| agent.ping().await);
    join_all(answers).await;
}

#[tokio::test]
async fn peer_defect_2_acknowledged_messages_are_never_redelivered() {
    let (server, mut sender, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    agent.leave().await;
    push_many(&mut sender, &url, 0..200).await;
    let mut seen = BTreeSet::new();
    // It reconnects again and again, and acknowledges twenty messages each time.
    for _ in 0..10 {
        let mut agent = Agent::again(&server, &uaid).await;
        for _ in 0..20 {
            let notification = agent.notification().await;
            assert!(seen.insert(notification.version.clone()), "{} came again", notification.text);
            agent.ack([&notification]).await;
        }
        agent.leave().await;
    }
    let mut agent = Agent::again(&server, &uaid).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

/// Two hundred messages, twenty at a time.
async fn push_in_parallel(server: &Server, url: &str) {
    let push_ten = async |from: usize| {
        let mut sender = server.connect().await;
        for number in 0..10 {
            push(&mut sender, url, &[("ttl", "60")], format!("{from} {number}")).await;
        }
    };
    join_all((0..20).map(push_ten)).await;
}

/// Receives two hundred different messages.
async fn take_all(agent: &mut Agent) {
    let mut all = BTreeSet::new();
    for _ in 0..200 {
        let notification = agent.notification().await;
        agent.ack([&notification]).await;
        assert!(all.insert(notification.text));
    }
}

#[tokio::test]
async fn peer_defect_3_parallel_messages_to_one_channel_all_arrive() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    tokio::join!(push_in_parallel(&server, &url), take_all(&mut agent));
    agent.leave().await;
    push_in_parallel(&server, &url).await;
    let mut agent = Agent::again(&server, &uaid).await;
    take_all(&mut agent).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn peer_defect_5_expired_messages_do_not_hide_later_ones() {
    let (server, mut sender, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    agent.leave().await;
    for number in 0..100 {
        push(&mut sender, &url, &[("ttl", "1")], number.to_string()).await;
    }
    push(&mut sender, &url, &[("ttl", "60")], "good").await;
    let last = push(&mut sender, &url, &[("ttl", "1")], "expired").await;
    push(&mut sender, &url, &[("ttl", "60")], "good as well").await;
    // No response announces its end.
    soon("its end", async { while sender.get(&last, &[]).await.status() == StatusCode::OK {} }).await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(texts(&agent.notifications(2).await), ["good", "good as well"]);
}

#[tokio::test]
async fn peer_defect_6_a_message_stored_during_hello_arrives_immediately() {
    let (server, mut sender, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    agent.leave().await;
    for round in 0..200_usize {
        let come_back = async {
            let mut agent = Agent::again(&server, &uaid).await;
            let notification = agent.notification().await;
            assert_eq!(notification.text, round.to_string());
            agent.ack([&notification]).await;
            agent.leave().await;
        };
        tokio::join!(come_back, push(&mut sender, &url, &[("ttl", "60")], round.to_string()));
    }
}

#[tokio::test]
async fn peer_defect_7_unregistering_once_removes_a_channel_registered_twice() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    assert_eq!(agent.register(0).await, url);
    agent.unregister(0).await;
    assert_eq!(sender.post(&url, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn peer_defect_8_an_older_message_of_a_topic_never_replaces_a_newer_one() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    let topic = [("ttl", "60"), ("topic", "news")];
    push(&mut sender, &url, &topic, "old").await;
    assert_eq!(agent.notification().await.text, "old");
    // It disconnects without an acknowledgement before or while the newer one arrives.
    agent.leave().await;
    push(&mut sender, &url, &topic, "newer").await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notification().await.text, "newer");
    push(&mut sender, &url, &topic, "newest").await;
    assert_eq!(agent.notification().await.text, "newest");
    drop(agent);
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notification().await.text, "newest");
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn peer_defect_9_an_agent_last_seen_in_the_future_can_connect() {
    let inside = LoopbackClient::new();
    let (agent, uaid, _) = inside.registered(1024).await;
    drop(agent);
    let future = system::env().now().after(Duration::from_secs(3600));
    let touch = Op::Touch(names::agent(&uaid).unwrap(), future);
    inside.service.commit_one(touch, Durability::Durable).await.unwrap();
    let mut agent = inside.open(1024);
    assert_eq!(agent.hello(Some(&uaid)).await, uaid);
}

#[tokio::test]
async fn peer_defect_10_agents_that_never_register_leave_nothing_behind() {
    let inside = LoopbackClient::new();
    let mut agent = inside.open(1024);
    let uaid = agent.hello(None).await;
    let id = names::agent(&uaid).unwrap();
    agent.urgency("high").await;
    agent.unregister(0).await;
    assert_eq!(inside.service.inbox(id).await, Ok(None));
    agent.register(0).await;
    assert!(inside.service.inbox(id).await.unwrap().is_some());
}

#[tokio::test]
async fn peer_defect_10_no_page_makes_the_program_panic() {
    let (server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    for path in ["/v1/err/crit", "/v1/err", "/__error__", "/push/uaid", "/notif/uaid"] {
        for method in [Method::GET, Method::PUT, Method::POST] {
            let path = format!("{}{path}", server.origin);
            let status = sender.request(method, &path, &[], "x").await.status();
            assert!(status.is_client_error(), "{path}: {status}");
        }
    }
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn peer_defect_11_content_encodings_are_not_decoded() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    let bomb = b"\x1f\x8b no gzip at all";
    push(&mut sender, &url, &[("ttl", "60"), ("content-encoding", "gzip")], &bomb[..]).await;
    let message = agent.receive().await;
    assert_eq!(message["headers"], serde_json::json!({"encoding": "gzip"}));
    assert_eq!(message["data"], "H4sgbm8gZ3ppcCBhdCBhbGw");
}

#[tokio::test]
async fn peer_defect_11_12_no_log_contains_a_uaid_or_a_complaint() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let server = Server::start_logging(&log);
    let mut sender = server.connect().await;
    let Registered { mut agent, uaid, push: url } = Registered::new(&server).await;
    push(&mut sender, &url, &[("ttl", "60")], "the secret payload").await;
    let notification = agent.notification().await;
    agent.try_register(&channel(1), Some("the key of a sender")).await;
    agent.leave().await;
    // To an absent agent.
    push(&mut sender, &url, &[("ttl", "60")], "the secret payload").await;
    server.signal("TERM");
    assert!(server.wait().await);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("shutting down") && log.contains("TRACE"), "the log is there");
    let encoded = "dGhlIHNlY3JldCBwYXlsb2Fk";
    let hyphenated = [&uaid[..8], &uaid[8..12], &uaid[12..16], &uaid[16..20], &uaid[20..]].join("-");
    let token = url.rsplit('/').next().unwrap();
    for secret in [
        &*uaid,
        &hyphenated,
        &channel(0),
        &token[..16],
        &notification.version[..16],
        "the secret payload",
        encoded,
        "the key of a sender",
    ] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
    assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "nothing has failed");
}

#[tokio::test]
async fn peer_defect_11_health_is_503_while_the_store_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &["--origin", "https://push.example"]);
    let urls = Subscription::from_response(&server.connect().await.post("/subscribe", &[], "").await);
    server.signal("TERM");
    assert!(server.wait().await);
    let admin = format!("unix:{}", dir.path().join("admin.sock").display());
    let args = ["--origin", "https://push.example", "--admin", &admin];
    let server = Server::start_on_small_disk(dir.path(), &args, &dir.path().join("log"));
    let mut peer = server.connect_as("https://push.example").await;
    let health = async |peer: &mut Http2Client, path| peer.get(path, &[]).await.status();
    let is_ready = async || ask(&admin, "GET", "/ready", "").await;
    assert_eq!((health(&mut peer, "/health").await, is_ready().await.0), (StatusCode::OK, 200));
    let large: &'static str = Box::leak("x".repeat(4096).into_boxed_str());
    while peer.post(&urls.push, &[("ttl", "600")], large).await.status() == StatusCode::CREATED {}
    for path in ["/health", "/__heartbeat__"] {
        let answer = peer.get(path, &[]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let output: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(output, serde_json::json!({"status": "ERROR", "version": env!("CARGO_PKG_VERSION")}));
    }
    let (status, _, body) = is_ready().await;
    assert!(status == 503 && body.contains("the store cannot be written"), "{body}");
    assert_eq!(ask(&admin, "GET", "/health", "").await.0, 200, "the process is there");
    assert_eq!(health(&mut peer, "/__lbheartbeat__").await, StatusCode::OK, "it asks nothing of the store");
    let metrics = Exposition::parse(&ask(&admin, "GET", "/metrics", "").await.2);
    for (name, expected) in
        [("webpush_ready", 0.0), ("webpush_store_up", 0.0), ("webpush_store_outages_total", 1.0)]
    {
        assert_eq!(metrics.value(name, &[]), expected, "{name}");
    }
    server.make_room();
    // No messages are sent; readiness checks detect it.
    soon("the store", async { while is_ready().await.0 != 200 {} }).await;
    assert_eq!(health(&mut peer, "/health").await, StatusCode::OK);
}
