//! `register` and `unregister`: channels and their push URLs.

use crate::agent::{Agent, Registered, assert_nothing_before, channel, push, push_many, with_channel};
use crate::support::header;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::json;

/// A public key of an application server.
fn key() -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    pair.public_key().as_ref().to_vec()
}

#[tokio::test]
async fn a_registration_has_the_same_members_as_in_autopush() {
    let (server, _, Registered { mut agent, .. }) = with_channel(&[]).await;
    agent.send_text(json!({"messageType": "register", "channelID": channel(7)})).await;
    let reply = agent.text().await;
    let url = serde_json::from_str::<serde_json::Value>(&reply).unwrap();
    let url = url["pushEndpoint"].as_str().unwrap();
    let expected = format!(
        r#"{{"messageType":"register","channelID":"{}","status":200,"pushEndpoint":"{url}"}}"#,
        channel(7)
    );
    assert_eq!(reply, expected);
    assert!(url.starts_with(&format!("{}/push/", server.origin)) && url.len() < 1000, "{url}");
}

#[tokio::test]
async fn the_same_channel_and_key_have_the_same_url() {
    let (server, _, Registered { mut agent, uaid, push }) = with_channel(&[]).await;
    assert_eq!(agent.register(0).await, push);
    let other = agent.register(1).await;
    assert_ne!(other, push);
    let (mut stranger, _) = Agent::new(&server).await;
    assert_ne!(stranger.register(0).await, push, "of another agent");
    let key = key();
    let padded = agent.try_register(&channel(2), Some(&URL_SAFE.encode(&key))).await;
    let bare = agent.try_register(&channel(2), Some(&URL_SAFE_NO_PAD.encode(&key))).await;
    assert_eq!(
        (&padded["status"], padded["pushEndpoint"].as_str()),
        (&json!(200), bare["pushEndpoint"].as_str())
    );
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!((agent.register(0).await, agent.register(1).await), (push, other));
}

#[tokio::test]
async fn another_key_creates_a_new_url_and_removes_the_old_one() {
    let (_server, mut sender, Registered { mut agent, push: open, .. }) = with_channel(&[]).await;
    push_many(&mut sender, &open, 0..1).await;
    let unread = agent.notification().await;
    let reply = agent.try_register(&channel(0), Some(&URL_SAFE_NO_PAD.encode(key()))).await;
    let restricted = reply["pushEndpoint"].as_str().unwrap().to_owned();
    assert_ne!(restricted, open);
    assert_eq!(sender.post(&open, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
    let response = sender.post(&restricted, &[("ttl", "60")], "x").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "for one sender");
    assert_eq!(header(&response, "www-authenticate"), "vapid");
    let other = agent.try_register(&channel(0), Some(&URL_SAFE_NO_PAD.encode(key()))).await;
    assert_ne!(other["pushEndpoint"], restricted);
    assert_eq!(sender.post(&restricted, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
    // Messages of the old sender may be acknowledged, to no effect.
    agent.ack([&unread]).await;
    let open = agent.register(0).await;
    assert_nothing_before(&mut agent, &mut sender, &open).await;
}

#[tokio::test]
async fn an_invalid_key_is_refused_and_the_channel_is_unchanged() {
    let (_server, mut sender, Registered { mut agent, push, .. }) = with_channel(&[]).await;
    let off_curve = URL_SAFE_NO_PAD.encode([4; 65]);
    let compressed = URL_SAFE_NO_PAD.encode([&[2], &key()[1..33]].concat());
    let short = URL_SAFE_NO_PAD.encode(&key()[..64]);
    for wrong in ["!", "BAAA", &off_curve, &compressed, &short, &"B".repeat(10_000)] {
        let reply = agent.try_register(&channel(0), Some(wrong)).await;
        assert_eq!((&reply["status"], &reply["pushEndpoint"]), (&json!(400), &json!("")), "{wrong}");
        assert!(reply["error"].as_str().unwrap().contains("P-256"), "{reply}");
    }
    assert_eq!(agent.register(0).await, push);
    assert_nothing_before(&mut agent, &mut sender, &push).await;
}

#[tokio::test]
async fn a_channel_id_that_is_not_a_uuid_is_refused_and_the_connection_stays_open() {
    let (_server, _, Registered { mut agent, .. }) = with_channel(&[]).await;
    for wrong in ["", "x", "c0ffee00-0123-4567-89ab", "\"\\\u{1}é", &"x".repeat(60_000)] {
        let reply = agent.try_register(wrong, None).await;
        assert_eq!((&reply["status"], &reply["pushEndpoint"]), (&json!(400), &json!("")));
        assert!(reply["error"].as_str().unwrap().contains("UUID"), "{reply}");
    }
    agent.register(1).await;
}

#[tokio::test]
async fn a_channel_id_is_echoed_as_written_and_delivered_in_canonical_form() {
    let (_server, mut sender, Registered { mut agent, push, .. }) = with_channel(&[]).await;
    let reply = agent.try_register(&channel(0).to_uppercase(), None).await;
    assert_eq!(reply["pushEndpoint"], push, "it is the same UUID");
    push_many(&mut sender, &push, 0..1).await;
    assert_eq!(agent.notification().await.channel, channel(0));
}

#[tokio::test]
async fn unregistering_a_channel_removes_its_messages() {
    let (server, mut sender, Registered { mut agent, uaid, push: first }) = with_channel(&[]).await;
    let second = agent.register(1).await;
    agent.leave().await;
    let url = push(&mut sender, &first, &[("ttl", "60")], "never read").await;
    push(&mut sender, &second, &[("ttl", "60")], "of another channel").await;
    let mut agent = Agent::open(&server).await;
    agent.hello(Some(&uaid)).await;
    let both = agent.notifications(2).await;
    assert_eq!((&both[0].text[..], &both[1].text[..]), ("never read", "of another channel"));
    agent.unregister(0).await;
    agent.leave().await;
    assert_eq!(sender.post(&first, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(sender.get(&url, &[]).await.status(), StatusCode::NOT_FOUND);
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notification().await.text, "of another channel");
    assert_nothing_before(&mut agent, &mut sender, &second).await;
    let again = agent.register(0).await;
    assert_ne!(again, first, "a channel that comes back has a new URL");
    assert_eq!(sender.post(&first, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unregistering_an_unknown_channel_succeeds() {
    let (_server, _, Registered { mut agent, .. }) = with_channel(&[]).await;
    agent.unregister(99).await;
    for (name, code) in [("no uuid", json!(202)), (&channel(99).to_uppercase(), json!("odd"))] {
        let request = json!({"messageType": "unregister", "channelID": name, "code": code});
        let expected = json!({"messageType": "unregister", "channelID": name, "status": 200});
        assert_eq!(agent.ask(&request).await, expected);
    }
}

#[tokio::test]
async fn a_new_agent_can_register_the_channels_of_its_old_uaid() {
    // Sunup does this when it gets another uaid.
    let (server, mut sender, old) = with_channel(&[]).await;
    let (mut new, _) = Agent::new(&server).await;
    let url = new.register(0).await;
    assert_ne!(url, old.push);
    push(&mut sender, &url, &[("ttl", "60")], "to the new one").await;
    assert_eq!(new.notification().await.text, "to the new one");
    let Registered { mut agent, push, .. } = old;
    assert_nothing_before(&mut agent, &mut sender, &push).await;
}
