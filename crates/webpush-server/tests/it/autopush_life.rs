//! The life of a connection: timeouts, keepalive, a second connection, shutdown.

use crate::agent::{
    Agent, CLOSE, Frame, PONG, Registered, assert_nothing_before, frame, push, push_many, texts, with_channel,
};
use crate::support::Server;
use serde_json::json;

#[tokio::test]
async fn hello_has_a_timeout_regardless_of_other_frames() {
    let server = Server::start_with(&["--hello-timeout", "1s"]);
    let mut agent = Agent::open(&server).await;
    agent.ping().await;
    agent.send(&frame(crate::agent::PING, b"")).await;
    assert_eq!(agent.next().await, Some(Frame::Pong(Vec::new())));
    agent.assert_closed(1008, "hello was not received in time").await;
    // Half a hello does not count.
    let mut agent = Agent::open(&server).await;
    agent.send(&frame(0x01, br#"{"messageType":"#)).await;
    agent.assert_closed(1008, "hello was not received in time").await;
}

#[tokio::test]
async fn an_idle_agent_stays_connected_while_it_answers_pings() {
    let server = Server::start_with(&["--websocket-ping", "1s", "--websocket-pong", "60s"]);
    let Registered { mut agent, push: url, .. } = Registered::new(&server).await;
    for sign_of_life in [frame(PONG, b""), frame(crate::agent::TEXT, br#"{"messageType":"nack"}"#)] {
        assert_eq!(agent.next().await, Some(Frame::Ping));
        agent.send(&sign_of_life).await;
    }
    assert_eq!(agent.next().await, Some(Frame::Ping));
    push(&mut server.connect().await, &url, &[("ttl", "0")], "still there").await;
    assert_eq!(agent.notification().await.text, "still there");
}

#[tokio::test]
async fn an_agent_that_does_not_answer_pings_is_disconnected() {
    let (_server, mut sender, Registered { mut agent, push: url, .. }) =
        with_channel(&["--websocket-ping", "1s", "--websocket-pong", "1s"]).await;
    assert_eq!(agent.next().await, Some(Frame::Ping));
    agent.assert_closed(1008, "the ping was not answered in time").await;
    let headers = [("ttl", "0"), ("prefer", "respond-async")];
    let response = sender.post(&url, &headers, "to nobody").await;
    let receipts = crate::support::link(response.headers(), "urn:ietf:params:push:receipt");
    let mut monitor = sender.monitor(&receipts, &[]).await;
    assert_eq!(monitor.next().await.response.status(), http::StatusCode::GONE, "nobody was there");
}

#[tokio::test]
async fn a_new_connection_of_an_agent_replaces_the_old_one() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    push_many(&mut sender, &url, 0..2).await;
    let old = agent.notifications(2).await;
    let mut new = Agent::again(&server, &uaid).await;
    assert_eq!(texts(&new.notifications(2).await), ["0", "1"], "they were not acknowledged");
    match agent.next().await {
        Some(Frame::Close(Some(1000), why)) => assert!(why.contains("newer connection"), "{why}"),
        other => panic!("{other:?}"),
    }
    // Acknowledgements of the old connection still count while it closes; nothing else does.
    agent.ack(&old).await;
    agent.send_text(json!({"messageType": "register", "channelID": crate::agent::channel(9)})).await;
    agent.send_text("{}").await;
    agent.send(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(agent.next().await, None);
    push_many(&mut sender, &url, 2..3).await;
    assert_eq!(new.notification().await.text, "2");
    drop(new);
    let mut new = Agent::again(&server, &uaid).await;
    assert_eq!(new.notification().await.text, "2");
    assert_nothing_before(&mut new, &mut sender, &url).await;
}

#[tokio::test]
async fn the_last_of_many_connections_of_one_agent_is_served() {
    let (server, mut sender, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    let mut all = vec![agent];
    for _ in 0..20 {
        all.push(Agent::again(&server, &uaid).await);
    }
    let mut last = all.pop().unwrap();
    for mut older in all {
        older.assert_closed(1000, "newer connection").await;
    }
    assert_nothing_before(&mut last, &mut sender, &url).await;
}

#[tokio::test]
async fn shutdown_closes_every_agent_gracefully() {
    let dir = tempfile::tempdir().unwrap();
    let start =
        || Server::start_on(dir.path(), &["--origin", "https://push.example", "--drain-window", "1s"]);
    let server = start();
    let mut sender = server.connect_as("https://push.example").await;
    let Registered { mut agent, uaid, push: url } = Registered::new(&server).await;
    push_many(&mut sender, &url, 0..2).await;
    let both = agent.notifications(2).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(Agent::new(&server).await.0);
    }
    let mut half_open = Agent::open(&server).await;
    half_open.ping().await;
    server.signal("TERM");
    half_open.assert_closed(1001, "the server is shutting down").await;
    match agent.next().await {
        Some(Frame::Close(Some(1001), _)) => {}
        other => panic!("{other:?}"),
    }
    // Acknowledged between the close frame and its reply.
    agent.ack([&both[0]]).await;
    agent.send(&frame(CLOSE, &1001_u16.to_be_bytes())).await;
    assert_eq!(agent.next().await, None);
    for mut other in others {
        other.assert_closed(1001, "shutting down; reconnect").await;
    }
    assert!(server.wait().await, "it ended in order");
    let server = start();
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notification().await.text, "1");
    agent.ping().await;
}
