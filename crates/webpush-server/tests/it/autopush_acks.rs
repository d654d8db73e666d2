//! Acknowledgements: each settles its own message, in any order; others are redelivered.

use crate::agent::{Agent, Registered, assert_nothing_before, push_many, texts, with_channel};
use crate::support::{header, soon};
use http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn only_the_unacknowledged_part_of_a_batch_is_redelivered() {
    let (server, mut sender, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    agent.leave().await;
    push_many(&mut sender, &url, 0..20).await;
    let mut agent = Agent::again(&server, &uaid).await;
    let all = agent.notifications(20).await;
    // In any order, in batches and one by one.
    agent.ack([&all[17], &all[3], &all[0]]).await;
    agent.ack([&all[8]]).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    let rest = agent.notifications(16).await;
    let expected = (0..20).filter(|it| ![17, 3, 0, 8].contains(it)).map(|it: u32| it.to_string());
    assert_eq!(texts(&rest), expected.collect::<Vec<_>>());
    agent.ack(&rest).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn every_code_acknowledges_the_message() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    push_many(&mut sender, &url, 0..4).await;
    let all = agent.notifications(4).await;
    for (notification, code) in all.iter().zip([json!(100), json!(101), json!(102), json!("of the future")]) {
        let update =
            json!({"channelID": notification.channel, "version": notification.version, "code": code});
        agent.send_text(json!({"messageType": "ack", "updates": [update]})).await;
    }
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn a_version_alone_identifies_the_message() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    push_many(&mut sender, &url, 0..2).await;
    let all = agent.notifications(2).await;
    let updates = json!([
        {"version": all[0].version},
        {"version": all[1].version, "channelID": crate::agent::channel(99)},
    ]);
    agent.send_text(json!({"messageType": "ack", "updates": updates})).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn a_nack_leaves_the_message_for_redelivery() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    push_many(&mut sender, &url, 0..1).await;
    let message = agent.notification().await;
    for code in [301, 302, 303] {
        agent.send_text(json!({"messageType": "nack", "version": message.version, "code": code})).await;
    }
    assert_nothing_before(&mut agent, &mut sender, &url).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    let again = agent.notification().await;
    assert_eq!((&again.text, &again.version), (&message.text, &message.version));
}

#[tokio::test]
async fn acknowledgements_of_foreign_messages_are_ignored() {
    let (server, mut sender, Registered { mut agent, push: url, .. }) = with_channel(&[]).await;
    let mut other = Registered::new(&server).await;
    push_many(&mut sender, &url, 0..1).await;
    let message = agent.notification().await;
    other.agent.ack([&message]).await;
    other.agent.ping().await;
    let push_token = url.rsplit('/').next().unwrap();
    let odd = ["", "x", "../push/x", push_token, &message.version[1..], &"é".repeat(9999)];
    let updates: Vec<_> = odd.into_iter().map(|version| json!({"version": version})).collect();
    agent.send_text(json!({"messageType": "ack", "updates": updates})).await;
    agent.send_text(json!({"messageType": "ack", "updates": []})).await;
    agent.ping().await;
    let location = format!("{}/message/{}", server.origin, message.version);
    assert_eq!(sender.get(&location, &[]).await.status(), StatusCode::OK, "it is still there");
    agent.ack([&message, &message]).await;
    agent.ack([&message]).await;
    agent.leave().await;
    // Acknowledgements have no response that shows when they are done.
    soon("its end", async { while sender.get(&location, &[]).await.status() == StatusCode::OK {} }).await;
}

#[tokio::test]
async fn messages_acknowledged_just_before_a_close_are_not_redelivered() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    for round in 0..20 {
        push_many(&mut sender, &url, round..round + 1).await;
        let one = agent.notification().await;
        assert_eq!(one.text, round.to_string());
        agent.ack([&one]).await;
        agent.send(&crate::agent::frame(crate::agent::CLOSE, &1000_u16.to_be_bytes())).await;
        assert_eq!(agent.closed().await, (Some(1000), String::new()));
        agent = Agent::again(&server, &uaid).await;
    }
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn a_replaced_message_is_not_redelivered() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    let topic = [("ttl", "60"), ("topic", "news")];
    crate::agent::push(&mut sender, &url, &topic, "old").await;
    let old = agent.notification().await;
    let response = sender.post(&url, &topic, "new").await;
    let new = agent.notification().await;
    assert_eq!((&*old.text, &*new.text), ("old", "new"));
    assert!(header(&response, "location").ends_with(&new.version));
    // The old acknowledgement must not settle the new message.
    agent.ack([&old]).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notification().await.version, new.version);
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}
