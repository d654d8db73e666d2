//! Unsolicited messages: changed broadcasts and removed agents.

use crate::inside::LoopbackClient;
use serde_json::{Value, json};
use webpush_core::protocol::autopush::{Versions, names};
use webpush_store::{Durability, Op};

fn versions(pairs: &[(&str, &str)]) -> Versions {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

impl LoopbackClient {
    fn broadcast(&self, pairs: &[(&str, &str)]) {
        self.service.broadcasts.replace(versions(pairs));
        self.service.registry.wake_websockets();
    }
}

fn broadcast(broadcasts: Value) -> Value {
    json!({"messageType": "broadcast", "broadcasts": broadcasts})
}

#[tokio::test]
async fn an_agent_gets_differing_versions_at_hello_and_on_change() {
    let inside = LoopbackClient::new();
    inside.broadcast(&[("a", "2"), ("b", "1"), ("c", "9")]);
    let mut agent = inside.open(100_000);
    let hello = json!({"messageType": "hello", "broadcasts": {"a": "1", "b": "1", "x": "0"}});
    let reply = agent.ask(&hello).await;
    assert_eq!(reply["broadcasts"], json!({"a": "2", "errors": {"x": "Broadcast not found"}}));
    inside.broadcast(&[("a", "3"), ("b", "1"), ("c", "10"), ("x", "1")]);
    assert_eq!(agent.receive().await, broadcast(json!({"a": "3", "x": "1"})), "what it follows, and no more");
    agent.send_text(json!({"messageType": "broadcast_subscribe", "broadcasts": {"c": "9"}})).await;
    assert_eq!(agent.receive().await, broadcast(json!({"c": "10"})));
    agent.send_text(json!({"messageType": "broadcast_subscribe", "broadcasts": {"c": "10", "b": "1"}})).await;
    // Frames and wakeups are handled in any order.
    agent.ping().await;
    inside.broadcast(&[("a", "3"), ("b", "2"), ("c", "11")]);
    assert_eq!(agent.receive().await, broadcast(json!({"b": "2", "c": "11"})));
    // The same version is not announced again.
    inside.broadcast(&[("a", "3"), ("b", "2"), ("c", "11")]);
    agent.ping().await;
}

#[tokio::test]
async fn a_broadcast_waits_for_a_slow_agent() {
    let inside = LoopbackClient::new();
    inside.broadcast(&[("a", "1")]);
    let (mut agent, _, url) = inside.registered(1024).await;
    agent.send_text(json!({"messageType": "broadcast_subscribe", "broadcasts": {"a": "1"}})).await;
    agent.ping().await;
    for number in 0..30 {
        inside.push(&url, format!("{number} {}", "x".repeat(4000))).await;
    }
    inside.broadcast(&[("a", "2")]);
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    let mut told = false;
    for _ in 0..31 {
        let message = agent.receive().await;
        told |= message == broadcast(json!({"a": "2"}));
    }
    assert!(told, "among thirty messages");
}

#[tokio::test]
async fn a_removed_agent_gets_a_new_uaid() {
    let inside = LoopbackClient::new();
    let (mut agent, uaid, _) = inside.registered(100_000).await;
    let id = names::agent(&uaid).unwrap();
    inside.service.commit_one(Op::RemoveInbox(id), Durability::Durable).await.unwrap();
    agent.assert_closed(1000, "send hello without uaid").await;
    let mut agent = inside.open(100_000);
    assert_ne!(agent.hello(Some(&uaid)).await, uaid);
}
