//! Access, rates and quotas of registrations.

use crate::agent::{Agent, Registered, assert_nothing_before, channel, open, push, with_channel};
use crate::support::Server;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::net::TcpStream;

const TOKEN: &str = "0123456789abcdef";

#[track_caller]
fn assert_refused(reply: &Value, status: u16, why: &str) {
    assert_eq!((&reply["status"], &reply["pushEndpoint"]), (&json!(status), &json!("")), "{reply}");
    assert!(reply["error"].as_str().unwrap().contains(why), "{reply}");
}

#[tokio::test]
async fn where_tokens_are_needed_only_their_holders_register() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, TOKEN).unwrap();
    let server = Server::start_with(&["--subscribe-token-file", file.to_str().unwrap()]);
    let connect = async || TcpStream::connect(&server.address).await.unwrap();
    let mut known = None;
    for (path, headers) in [
        (format!("/t/{TOKEN}/"), String::new()),
        (format!("/t/{TOKEN}"), String::new()),
        ("/".to_owned(), format!("Authorization: Bearer {TOKEN}\r\n")),
    ] {
        let mut agent = open(connect().await, &path, &headers).await.1.unwrap();
        let uaid = agent.hello(None).await;
        let push = agent.register(0).await;
        assert!(!push.contains(TOKEN));
        known = Some((uaid, push));
    }
    for headers in ["", "Authorization: Bearer 0123456789abcdeX\r\n", "Authorization: Basic x\r\n"] {
        let mut agent = open(connect().await, "/", headers).await.1.unwrap();
        agent.hello(None).await;
        assert_refused(&agent.try_register(&channel(0), None).await, 401, "token");
        agent.unregister(0).await;
        agent.ping().await;
    }
    let (head, agent) = open(connect().await, "/t/0123456789abcdeX/", "").await;
    assert!(head.starts_with("HTTP/1.1 401 ") && agent.is_none(), "{head}");
    // Agents with channels keep them and receive their messages.
    let (uaid, push) = known.unwrap();
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.register(0).await, push);
    assert_refused(&agent.try_register(&channel(1), None).await, 401, "token");
    assert_nothing_before(&mut agent, &mut server.connect().await, &push).await;
}

#[tokio::test]
async fn registrations_are_limited_by_address_and_existing_ones_do_not_count() {
    let rates = ["--rate-limit-loopback", "--register-rate", "1/h:2"];
    let (server, mut sender, Registered { mut agent, push, .. }) = with_channel(&rates).await;
    let second = agent.register(1).await;
    for _ in 0..3 {
        assert_refused(&agent.try_register(&channel(2), None).await, 429, "from this address");
        assert_eq!((agent.register(0).await, agent.register(1).await), (push.clone(), second.clone()));
    }
    let (mut other, _) = Agent::new(&server).await;
    assert_refused(&other.try_register(&channel(0), None).await, 429, "from this address");
    agent.unregister(1).await;
    assert_nothing_before(&mut agent, &mut sender, &push).await;
}

#[tokio::test]
async fn messages_have_the_rate_limits_of_every_subscription() {
    let rates = ["--rate-limit-loopback", "--push-rate", "1/h:2", "--agent-rate", "1/h:3"];
    let (_server, mut sender, Registered { mut agent, push: first, .. }) = with_channel(&rates).await;
    let second = agent.register(1).await;
    for (url, taken) in [(&first, true), (&first, true), (&first, false), (&second, true), (&second, false)] {
        let status = sender.post(url, &[("ttl", "60")], "x").await.status();
        assert_eq!(status, if taken { StatusCode::CREATED } else { StatusCode::TOO_MANY_REQUESTS });
    }
    assert_eq!(agent.notifications(3).await.len(), 3);
}

#[tokio::test]
async fn an_agent_has_a_quota_of_channels() {
    let (server, mut sender, Registered { mut agent, uaid, push }) =
        with_channel(&["--quota-subscriptions", "2"]).await;
    agent.register(1).await;
    assert_refused(&agent.try_register(&channel(2), None).await, 429, "subscriptions in this set");
    assert_eq!(agent.register(0).await, push, "those that are there stay");
    agent.unregister(1).await;
    agent.register(2).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_refused(&agent.try_register(&channel(1), None).await, 429, "subscriptions in this set");
    assert_nothing_before(&mut agent, &mut sender, &push).await;
}

#[tokio::test]
async fn ten_thousand_channels_on_one_agent() {
    const CHANNELS: u32 = 10_000;
    let server = Server::start();
    let (mut agent, uaid) = Agent::new(&server).await;
    let mut urls = Vec::new();
    let mut requests = Vec::new();
    // In batches within the limit of concurrent requests; the server handles them one by one.
    for from in (0..CHANNELS).step_by(500) {
        requests.clear();
        for number in from..from + 500 {
            let request = json!({"messageType": "register", "channelID": channel(number)}).to_string();
            requests.extend(crate::agent::frame(crate::agent::TEXT, request.as_bytes()));
        }
        agent.send(&requests).await;
        for number in from..from + 500 {
            let reply = agent.receive().await;
            assert_eq!((&reply["channelID"], &reply["status"]), (&json!(channel(number)), &json!(200)));
            urls.push(reply["pushEndpoint"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(urls.iter().collect::<BTreeSet<_>>().len(), 10_000);
    let reply = agent.try_register(&channel(CHANNELS), None).await;
    assert_refused(&reply, 429, "subscriptions in this set");
    let mut sender = server.connect().await;
    for number in [0, 1, 4999, 9999] {
        push(&mut sender, &urls[number], &[("ttl", "60")], number.to_string()).await;
    }
    drop(agent);
    let mut agent = Agent::again(&server, &uaid).await;
    for number in [0_u32, 1, 4999, 9999] {
        let notification = agent.notification().await;
        assert_eq!((notification.text, notification.channel), (number.to_string(), channel(number)));
    }
    for from in (0..CHANNELS).step_by(500) {
        requests.clear();
        for number in from..from + 500 {
            let request = json!({"messageType": "unregister", "channelID": channel(number)}).to_string();
            requests.extend(crate::agent::frame(crate::agent::TEXT, request.as_bytes()));
        }
        agent.send(&requests).await;
        for number in from..from + 500 {
            let reply = agent.receive().await;
            assert_eq!((&reply["channelID"], &reply["status"]), (&json!(channel(number)), &json!(200)));
        }
    }
    for number in [0, 4999, 9999] {
        let response = sender.post(&urls[number], &[("ttl", "60")], "x").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    let url = agent.register(0).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}
