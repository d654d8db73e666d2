//! Administration of agents, subscriptions, the backlog and sealing keys.

use crate::agent::{Agent, Registered};
use crate::copies::{run, run_ok};
use crate::support::{Server, header, in_memory, link};
use http::StatusCode;
use serde_json::Value;

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];
const RECEIPT: &str = "urn:ietf:params:push:receipt";

async fn json(server: &Server, args: &[&str]) -> Value {
    serde_json::from_str(&run_ok(Some(server), &[args, &["--json"]].concat()).await).unwrap()
}

#[tokio::test]
async fn agents_and_subscriptions_are_counted_listed_and_shown_without_their_urls() {
    let server = Server::start_with(&ADMIN);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let second = peer.subscribe_in(&urls.set).await;
    let Registered { agent: _open, uaid, push } = Registered::new(&server).await;
    peer.push(&urls.push, "one").await;
    let counted = json(&server, &["agents", "count"]).await;
    assert_eq!((&counted["agents"], &counted["subscriptions"]), (&2.into(), &3.into()));
    assert_eq!(
        (&counted["by_protocol"]["rfc8030"], &counted["by_protocol"]["autopush"]),
        (&2.into(), &1.into())
    );
    assert_eq!(counted["listening"], 1);
    let listed = json(&server, &["agents"]).await;
    assert_eq!(listed["agents"].as_array().unwrap().len(), 2);
    // Paging returns the same result.
    let first = json(&server, &["agents", "--limit", "1"]).await;
    let next = first["next"].as_str().unwrap();
    let rest = json(&server, &["agents", "--after", next]).await;
    assert_eq!([&first["agents"][0], &rest["agents"][0]], [&listed["agents"][0], &listed["agents"][1]]);
    assert_eq!(rest["next"], Value::Null);
    let subscriptions = json(&server, &["subscriptions"]).await;
    let mut paged = Vec::new();
    let mut after = Vec::new();
    loop {
        let args: Vec<&str> = after.iter().map(String::as_str).collect();
        let page = json(&server, &[&["subscriptions", "--limit", "1"], &args[..]].concat()).await;
        paged.push(page["subscriptions"][0].clone());
        let Some(next) = page["next"].as_str() else { break };
        after = vec!["--after".to_owned(), next.to_owned()];
    }
    assert_eq!(&Value::Array(paged), &subscriptions["subscriptions"]);
    // Any of its URLs finds an agent; its own URL finds a subscription.
    let shown = json(&server, &["agents", "show", &urls.set]).await;
    let name = shown["agent"].as_str().unwrap();
    assert_eq!((&shown["messages"], &shown["subscriptions"]), (&1.into(), &2.into()));
    for which in [name, &urls.push, &second.subscription] {
        assert_eq!(json(&server, &["agents", "show", which]).await, shown, "{which}");
    }
    let of_agent = json(&server, &["subscriptions", "--agent", name]).await;
    assert_eq!(of_agent["subscriptions"], shown["list"]);
    let by_uaid = json(&server, &["agents", "show", &uaid]).await;
    assert_eq!(by_uaid["agent"], json(&server, &["agents", "show", &push]).await["agent"]);
    let one = json(&server, &["subscriptions", "show", &second.push]).await;
    assert!(shown["list"].as_array().unwrap().contains(&one));
    // The output contains no capability.
    let output = format!("{counted}{listed}{subscriptions}{shown}{by_uaid}{one}");
    let output =
        output + &run_ok(Some(&server), &["agents"]).await + &run_ok(Some(&server), &["subscriptions"]).await;
    for secret in [&urls.push, &urls.set, &second.subscription, &push, &uaid] {
        assert!(!output.contains(secret.rsplit('/').next().unwrap()));
    }
    let (well, _, error) = run(Some(&server), &["agents", "show", "https://other.example/push/x"]).await;
    assert!(!well && error.contains("neither a URL of this server"), "{error}");
    let (well, _, error) = run(Some(&server), &["agents", "show"]).await;
    assert!(!well && error.contains("missing argument: AGENT"), "{error}");
}

#[tokio::test]
async fn a_revoked_agent_is_gone_in_every_protocol() {
    let server = Server::start_with(&ADMIN);
    let mut peer = server.connect().await;
    let (urls, kept) = (peer.subscribe().await, peer.subscribe().await);
    let asked = peer.post(&urls.push, &[("ttl", "60"), ("prefer", "respond-async")], "owed").await;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    let (message, receipts) = (header(&asked, "location").to_owned(), link(asked.headers(), RECEIPT));
    let monitor = server.connect().await.monitor(&urls.set, &[]).await;
    let (well, _, error) = run(Some(&server), &["agents", "revoke", &urls.push]).await;
    assert!(!well && error.contains("--yes"), "{error}");
    let revoked = json(&server, &["agents", "revoke", "--yes", &urls.push]).await;
    assert_eq!((&revoked["messages"], &revoked["receipts"]), (&1.into(), &1.into()));
    drop(monitor);
    assert_eq!(peer.post(&urls.push, &[("ttl", "60")], "late").await.status(), StatusCode::NOT_FOUND);
    let alias = urls.push.replace("/push/", "/wpush/v2/");
    assert_eq!(peer.post(&alias, &[("ttl", "60")], "late").await.status(), StatusCode::GONE);
    assert_eq!(peer.get(&urls.set, &[]).await.status(), StatusCode::NOT_FOUND);
    let (pushed, _) = peer.drain(&receipts).await;
    assert_eq!((pushed[0].url(), pushed[0].response.status()), (message, StatusCode::GONE));
    // Other clients are not affected.
    peer.push(&kept.push, "kept").await;
    let more = peer.subscribe_in(&kept.set).await;
    json(&server, &["subscriptions", "revoke", "--yes", &more.push]).await;
    assert_eq!(peer.post(&more.push, &[("ttl", "60")], "late").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.drain(&kept.subscription).await.0.len(), 1);
    let (well, _, error) = run(Some(&server), &["agents", "revoke", "--yes", &urls.push]).await;
    assert!(!well && error.contains("There is no such agent"), "{error}");
}

#[tokio::test]
async fn a_connected_agent_learns_of_its_revocation_immediately() {
    let server = Server::start_with(&ADMIN);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let monitor = server.connect().await.monitor(&urls.set, &[]).await;
    while json(&server, &["agents", "count"]).await["listening"] != 1 {}
    json(&server, &["agents", "revoke", "--yes", &urls.set]).await;
    assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_backlog_lists_the_largest_agents() {
    let server = Server::start_with(&ADMIN);
    let mut peer = server.connect().await;
    let (small, large) = (peer.subscribe().await, peer.subscribe().await);
    peer.push(&small.push, "1").await;
    for _ in 0..3 {
        peer.push(&large.push, "12345").await;
    }
    let backlog = json(&server, &["backlog", "--top", "1"]).await;
    assert_eq!(
        (&backlog["messages"], &backlog["bytes"], &backlog["agents"]),
        (&4.into(), &16.into(), &2.into())
    );
    let name = json(&server, &["agents", "show", &large.set]).await["agent"].clone();
    let largest = backlog["largest"].as_array().unwrap();
    assert_eq!((largest.len(), &largest[0]["agent"], &largest[0]["messages"]), (1, &name, &3.into()));
    assert!(backlog["oldest"].as_u64().unwrap() <= largest[0]["oldest"].as_u64().unwrap());
    let output = run_ok(Some(&server), &["backlog"]).await;
    assert!(output.starts_with("4 undelivered messages (16 bytes) for 2 agents"), "{output}");
}

#[tokio::test]
async fn a_new_sealing_key_changes_no_existing_url() {
    let dir = in_memory();
    let args = ["--origin", "https://push.example", "--admin", "127.0.0.1:0"];
    let server = Server::start_on(dir.path(), &args);
    let mut peer = server.connect_as("https://push.example").await;
    let old = peer.subscribe().await;
    let asked = peer.post(&old.push, &[("ttl", "60"), ("prefer", "respond-async")], "old").await;
    let (message, receipts) = (header(&asked, "location").to_owned(), link(asked.headers(), RECEIPT));
    let Registered { mut agent, uaid, push } = Registered::new(&server).await;
    peer.push(&push, "before").await;
    let before = agent.notifications(1).await;

    let keys = json(&server, &["sealing-keys"]).await;
    let rotated = json(&server, &["sealing-keys", "rotate"]).await;
    assert_ne!(keys["current"], rotated["current"]);
    assert_eq!(rotated["ids"].as_array().unwrap().len(), 2);
    // An earlier version is acknowledged later, and new URLs use the new key.
    agent.ack(&before).await;
    peer.push(&push, "after").await;
    let after = agent.notifications(1).await;
    assert_ne!(&after[0].version[..2], &before[0].version[..2]);
    agent.ack(&after).await;
    agent.leave().await;
    let new = peer.subscribe().await;
    peer.push(&new.push, "new").await;

    // Gracefully: a crash could lose acknowledgements on a WebSocket.
    server.signal("TERM");
    assert!(server.wait().await);
    let server = Server::start_on(dir.path(), &args);
    let mut peer = server.connect_as("https://push.example").await;
    assert_eq!(json(&server, &["sealing-keys"]).await, rotated);
    assert_eq!(peer.drain(&old.subscription).await.0[0].url(), message);
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.drain(&receipts).await.0[0].url(), message);
    peer.push(&old.push, "old again").await;
    assert_eq!(peer.drain(&old.subscription).await.0.len(), 1);
    assert_eq!(peer.drain(&new.subscription).await.0.len(), 1);
    let mut agent = Agent::again(&server, &uaid).await;
    peer.push(&push, "later").await;
    assert_eq!(agent.notifications(1).await[0].text, "later", "what was acknowledged does not come again");
}
