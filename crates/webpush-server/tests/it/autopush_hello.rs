//! `hello` in all its forms.

use crate::agent::{Agent, Frame, Registered, channel, notification, with_channel};
use crate::support::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn hello_has_the_same_members_as_in_autopush() {
    let server = Server::start();
    let mut agent = Agent::open(&server).await;
    // In the notation of KUnifiedPush.
    agent.send_text(r#"{"messageType":"hello"}"#).await;
    let reply = agent.text().await;
    let uaid = serde_json::from_str::<Value>(&reply).unwrap()["uaid"].as_str().unwrap().to_owned();
    let expected = format!(
        r#"{{"messageType":"hello","uaid":"{uaid}","status":200,"use_webpush":true,"broadcasts":{{}}}}"#
    );
    assert_eq!(reply, expected);
    assert!(uaid.len() == 32 && uaid.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')), "{uaid}");
    assert_eq!(uaid.as_bytes()[12], b'4', "a random UUID");
}

#[tokio::test]
async fn unknown_agents_get_a_new_uaid() {
    let server = Server::start();
    let mut all = BTreeSet::new();
    for uaid in [
        json!(null),
        json!(""),
        json!("nobody"),
        json!("deadbeef00000000a000000000000000"),
        json!("deadbeef-0000-4000-a000-000000000000"),
        json!("x".repeat(5000)),
    ] {
        let mut agent = Agent::open(&server).await;
        let reply = agent.ask(&json!({"messageType": "hello", "uaid": uaid})).await;
        assert_eq!(reply["status"], 200);
        assert_ne!(reply["uaid"], uaid);
        assert!(all.insert(reply["uaid"].as_str().unwrap().to_owned()));
    }
}

#[tokio::test]
async fn use_webpush_and_channel_ids_are_ignored() {
    let server = Server::start();
    for rest in [
        json!({"use_webpush": false}),
        json!({"use_webpush": "x", "channelIDs": null}),
        json!({"channelIDs": ["no uuid", 7], "of_the_future": {"a": [1]}}),
    ] {
        let mut agent = Agent::open(&server).await;
        let mut hello = json!({"messageType": "hello"});
        hello.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let reply = agent.ask(&hello).await;
        assert_eq!((&reply["status"], &reply["use_webpush"]), (&json!(200), &json!(true)), "{rest}");
    }
}

#[tokio::test]
async fn a_known_agent_keeps_its_uaid_in_any_notation() {
    let (server, _, Registered { agent, uaid, .. }) = with_channel(&[]).await;
    agent.leave().await;
    let hyphenated = [&uaid[..8], &uaid[8..12], &uaid[12..16], &uaid[16..20], &uaid[20..]].join("-");
    let forms = [uaid.clone(), hyphenated.clone(), uaid.to_uppercase(), format!("{{{hyphenated}}}")];
    for form in forms.into_iter().chain([format!("urn:uuid:{hyphenated}")]) {
        let mut agent = Agent::open(&server).await;
        assert_eq!(agent.hello(Some(&form)).await, uaid, "{form}");
    }
}

#[tokio::test]
async fn a_uaid_is_stored_from_the_first_registration_on() {
    let server = Server::start();
    let (agent, never_registered) = Agent::new(&server).await;
    agent.leave().await;
    let mut agent = Agent::open(&server).await;
    let uaid = agent.hello(Some(&never_registered)).await;
    assert_ne!(uaid, never_registered);
    // Refused ones leave nothing behind either.
    assert_eq!(agent.try_register(&channel(1), Some("no key")).await["status"], 400);
    agent.leave().await;
    let mut agent = Agent::open(&server).await;
    let other = agent.hello(Some(&uaid)).await;
    assert_ne!(other, uaid);
    agent.register(1).await;
    drop(agent);
    Agent::again(&server, &other).await.leave().await;
    // The agent remains known without a channel.
    let mut agent = Agent::again(&server, &other).await;
    agent.unregister(1).await;
    agent.leave().await;
    Agent::again(&server, &other).await.leave().await;
}

#[tokio::test]
async fn hello_must_be_first_and_unique() {
    let server = Server::start();
    for early in [
        json!({"messageType": "register", "channelID": channel(1)}),
        json!({"messageType": "unregister", "channelID": channel(1)}),
        json!({"messageType": "ack", "updates": []}),
        json!({"messageType": "broadcast_subscribe", "broadcasts": {}}),
        json!({"messageType": "urgency", "min": "high"}),
    ] {
        let mut agent = Agent::open(&server).await;
        agent.send_text(&early).await;
        agent.assert_closed(1008, "hello must be the first message").await;
    }
    let (mut agent, _) = Agent::new(&server).await;
    agent.send_text(r#"{"messageType":"hello"}"#).await;
    agent.assert_closed(1008, "hello was already sent").await;
}

#[tokio::test]
async fn pings_and_unknown_messages_are_allowed_before_hello() {
    let server = Server::start();
    let mut agent = Agent::open(&server).await;
    agent.send(&crate::agent::frame(crate::agent::PING, b"early")).await;
    assert_eq!(agent.next().await, Some(Frame::Pong(b"early".to_vec())));
    agent.ping().await;
    agent.send_text(r#"{"messageType":"of the future"}"#).await;
    agent.hello(None).await;
}

#[tokio::test]
async fn unknown_broadcasts_are_listed_in_the_response() {
    let server = Server::start();
    let mut agent = Agent::open(&server).await;
    agent.send_text(r#"{"messageType":"hello","broadcasts":{"a/b":"\"1\""},"use_webpush":true}"#).await;
    let reply = agent.receive().await;
    assert_eq!(reply["broadcasts"], json!({"errors": {"a/b": "Broadcast not found"}}));
    let request = json!({"messageType": "broadcast_subscribe", "broadcasts": {"c": "1"}});
    let reply = agent.ask(&request).await;
    let expected =
        json!({"messageType": "broadcast", "broadcasts": {"errors": {"c": "Broadcast not found"}}});
    assert_eq!(reply, expected);
    agent.send_text(r#"{"messageType":"broadcast_subscribe","broadcasts":{}}"#).await;
    agent.ping().await;
}

#[tokio::test]
async fn stored_messages_follow_hello_immediately() {
    let (server, mut sender, Registered { agent, uaid, push }) = with_channel(&[]).await;
    agent.leave().await;
    for text in ["one", "two"] {
        sender.push(&push, text).await;
    }
    let mut agent = Agent::open(&server).await;
    // Both requests are sent together; the messages arrive before or after the second response.
    let hello = crate::agent::frame(
        crate::agent::TEXT,
        json!({"messageType": "hello", "uaid": uaid}).to_string().as_bytes(),
    );
    let ping = crate::agent::frame(crate::agent::TEXT, b"{}");
    agent.send(&[hello, ping].concat()).await;
    assert_eq!(agent.receive().await["messageType"], "hello");
    let mut frames = [agent.receive().await, agent.receive().await, agent.receive().await];
    frames.sort_by_key(|frame| frame["messageType"].is_null());
    let [first, second, ping] = frames;
    assert_eq!([notification(&first).text, notification(&second).text], ["one", "two"]);
    assert_eq!(ping, json!({}));
}
