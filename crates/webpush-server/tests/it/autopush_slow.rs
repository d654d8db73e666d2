//! Agents that read late or never, or do not acknowledge: memory is bounded, and nothing is lost.

use crate::agent::{
    Agent, Registered, TEXT, assert_nothing_before, frame, push, push_many, texts, with_channel,
};
use crate::inside::LoopbackClient;
use crate::support::soon;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;
use webpush_core::session::{FETCH_ENTRIES, SESSION_WINDOW, UPDATE_ENTRIES};
use webpush_service::limits::Limits;

#[tokio::test]
async fn messages_queued_for_a_slow_reader_arrive_later() {
    let inside = LoopbackClient::new();
    let (mut agent, _, url) = inside.registered(1024).await;
    let large = "x".repeat(4000);
    for number in 0..30 {
        inside.push(&url, format!("{number} {large}")).await;
    }
    for number in 0..30 {
        let notification = agent.notification().await;
        assert_eq!(notification.text.split(' ').next(), Some(&*number.to_string()));
        agent.ack([&notification]).await;
    }
}

#[tokio::test]
async fn messages_in_memory_for_an_agent_that_never_reads_are_bounded() {
    let inside = LoopbackClient::new();
    let (mut agent, uaid, url) = inside.registered(1024).await;
    let mut pushed = Vec::new();
    for number in 0..1000 {
        pushed.push(inside.push(&url, format!("{number} {}", "x".repeat(4000))).await);
    }
    // One from this program, one from the store.
    let kept = pushed.iter().filter(|message| Arc::strong_count(message) > 2).count();
    assert!((1..=SESSION_WINDOW + UPDATE_ENTRIES).contains(&kept), "{kept}");
    for number in 0..10 {
        assert!(agent.notification().await.text.starts_with(&format!("{number} ")));
    }
    drop(agent);
    let mut agent = inside.open(1024);
    agent.hello(Some(&uaid)).await;
    for number in 0..1000 {
        let notification = agent.notification().await;
        assert!(notification.text.starts_with(&format!("{number} ")), "nothing is lost");
        agent.ack([&notification]).await;
    }
}

#[tokio::test]
async fn messages_that_expire_while_waiting_do_not_block_later_ones() {
    let inside = LoopbackClient::new();
    let (mut agent, _, url) = inside.registered(1024).await;
    let large = "x".repeat(4000);
    for number in 0..2 * FETCH_ENTRIES {
        // All but the first dozen wait for space in the socket until they have expired.
        let ttl = Duration::from_millis(if number < 20 { 3_600_000 } else { 30 });
        inside.push_with(&url, ttl, format!("{number} {large}")).await;
    }
    inside.push(&url, "the last").await;
    let until = webpush_service::system::env().now().after(Duration::from_millis(30));
    while webpush_service::system::env().now() < until {
        tokio::task::yield_now().await;
    }
    loop {
        let notification = agent.notification().await;
        agent.ack([&notification]).await;
        if notification.text == "the last" {
            return;
        }
    }
}

#[tokio::test]
async fn a_store_failure_does_not_skip_messages() {
    let inside = LoopbackClient::new();
    let (mut agent, uaid, url) = inside.registered(100_000).await;
    inside.faults.fail_subscription_reads(true);
    inside.push(&url, "one").await;
    agent.assert_closed(1013, "Try again").await;
    inside.faults.fail_subscription_reads(false);
    let mut agent = inside.open(100_000);
    agent.hello(Some(&uaid)).await;
    assert_eq!(agent.notification().await.text, "one");
}

#[tokio::test]
async fn an_agent_that_never_acknowledges_has_one_window_of_messages() {
    let (server, mut sender, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    // Pages fill the window. Live messages may leave less room in it than a page needs.
    agent.leave().await;
    push_many(&mut sender, &url, 0..SESSION_WINDOW + 40).await;
    let mut agent = Agent::again(&server, &uaid).await;
    let window = agent.notifications(SESSION_WINDOW).await;
    // A message that is not stored needs no space, and arrives only if nothing else is in flight.
    push(&mut sender, &url, &[("ttl", "0")], "now or never").await;
    assert_eq!(agent.notification().await.text, "now or never");
    agent.ack(&window[10..10 + FETCH_ENTRIES]).await;
    let more = agent.notifications(FETCH_ENTRIES).await;
    assert_eq!(more[0].text, SESSION_WINDOW.to_string());
    push(&mut sender, &url, &[("ttl", "0")], "now or never").await;
    assert_eq!(agent.notification().await.text, "now or never");
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    let again = agent.notifications(SESSION_WINDOW).await;
    let expected = (0..10).chain(10 + FETCH_ENTRIES..SESSION_WINDOW + FETCH_ENTRIES);
    assert_eq!(texts(&again), expected.map(|it| it.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn unacknowledged_messages_do_not_block_others_forever() {
    let inside =
        LoopbackClient::with(Limits { redelivery_timeout: Duration::from_millis(20), ..Limits::default() });
    let (mut agent, _, url) = inside.registered(100_000).await;
    for number in 0..5 * SESSION_WINDOW {
        inside.push(&url, number.to_string()).await;
    }
    for number in 0..5 * SESSION_WINDOW {
        let notification = agent.notification().await;
        assert_eq!(notification.text, number.to_string(), "each comes once");
        if number % 2 == 0 {
            agent.ack([&notification]).await;
        }
    }
}

#[tokio::test]
async fn unacknowledged_messages_among_acknowledged_ones_are_redelivered() {
    let (server, mut sender, Registered { mut agent, uaid, push: url }) = with_channel(&[]).await;
    push_many(&mut sender, &url, 0..SESSION_WINDOW).await;
    let all = agent.notifications(SESSION_WINDOW).await;
    agent.ack(all.iter().step_by(2)).await;
    agent.leave().await;
    let mut agent = Agent::again(&server, &uaid).await;
    let rest = agent.notifications(SESSION_WINDOW / 2).await;
    let expected = (1..SESSION_WINDOW).step_by(2);
    assert_eq!(texts(&rest), expected.map(|it| it.to_string()).collect::<Vec<_>>());
    agent.ack(&rest).await;
    assert_nothing_before(&mut agent, &mut sender, &url).await;
}

#[tokio::test]
async fn a_backlog_of_thousands_arrives_complete_and_in_order() {
    let (server, _, Registered { agent, uaid, push: url }) = with_channel(&[]).await;
    agent.leave().await;
    let send = async |from: usize| {
        let mut sender = server.connect().await;
        for number in 0..150 {
            push(&mut sender, &url, &[("ttl", "600")], format!("{from} {number}")).await;
        }
    };
    futures_util::future::join_all((0..20).map(send)).await;
    let mut agent = Agent::again(&server, &uaid).await;
    let mut next = [0; 20];
    for _ in 0..20 * 150 {
        let notification = agent.notification().await;
        let (from, number) = notification.text.split_once(' ').unwrap();
        let next = &mut next[from.parse::<usize>().unwrap()];
        assert_eq!(number.parse(), Ok(*next), "order of acceptance");
        *next += 1;
        agent.ack([&notification]).await;
    }
    assert_nothing_before(&mut agent, &mut server.connect().await, &url).await;
}

#[tokio::test]
async fn an_agent_that_never_reads_is_disconnected_and_loses_nothing() {
    let (server, mut sender, Registered { agent, uaid, push: url }) =
        with_channel(&["--stall-timeout", "1s"]).await;
    agent.leave().await;
    push_many(&mut sender, &url, 0..3).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.address.parse().unwrap()).await.unwrap();
    let mut stalled = crate::agent::open(stream, "/", "").await.1.unwrap();
    stalled.hello(Some(&uaid)).await;
    // Each response repeats the name.
    let name = "x".repeat(60_000);
    let ask = frame(TEXT, json!({"messageType": "register", "channelID": name}).to_string().as_bytes());
    soon("the end of a connection that is not read", async { while stalled.try_send(&ask).await.is_ok() {} })
        .await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(texts(&agent.notifications(3).await), ["0", "1", "2"]);
}
