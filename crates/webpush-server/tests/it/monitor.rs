//! Monitoring, delivery and acknowledgement (RFC 8030 §6, §7.3).

use crate::support::{Server, header, link, texts};
use http::{Method, StatusCode};

const PUSH: &str = "urn:ietf:params:push";

#[tokio::test]
async fn r8030_6_a_b_c_d_a_held_get_is_pushed_each_message() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let urls = peer.subscribe().await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    for text in ["one", "two", "three"] {
        let headers = [("ttl", "60"), ("content-type", "text/plain"), ("content-encoding", "aes128gcm")];
        let url = peer.push_with(&urls.push, &headers, text).await;
        let pushed = monitor.next().await;
        assert_eq!((pushed.request.method(), pushed.url()), (&Method::GET, url));
        assert_eq!(pushed.response.status(), StatusCode::OK);
        assert_eq!(pushed.text(), text);
        assert_eq!(link(pushed.response.headers(), PUSH), urls.push);
        for (name, value) in [
            ("content-type", "text/plain"),
            ("content-encoding", "aes128gcm"),
            ("cache-control", "private"),
            ("content-length", &text.len().to_string()),
        ] {
            assert_eq!(header(&pushed.response, name), value);
        }
        assert!(pushed.response.headers().contains_key("date"));
        assert!(pushed.response.headers().contains_key("last-modified"));
    }
}

#[tokio::test]
async fn r8030_6_e_f_g_what_was_stored_comes_in_order_then_the_end() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
    for text in ["1", "2", "3", "4", "5"] {
        peer.push(&urls.push, text).await;
    }
    let (pushes, status) = peer.drain(&urls.subscription).await;
    assert_eq!((texts(&pushes), status), (vec!["1", "2", "3", "4", "5"], StatusCode::OK));
    let mut held = peer.monitor(&urls.subscription, &[]).await;
    for text in ["1", "2", "3", "4", "5"] {
        assert_eq!(held.next().await.text(), text);
    }
}

#[tokio::test]
async fn r8030_6_h_r7240_a_wait_is_a_preference_among_others() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let response = peer.get(&urls.subscription, &[("prefer", "foo; x=\"a, b\", Wait=0; y")]).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "preference-applied"), "wait=0");
    let response = peer.get(&urls.subscription, &[("prefer", "wait=1")]).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "preference-applied"), "wait=1");
}

#[tokio::test]
async fn a_backlog_of_hundreds_arrives_whole_and_in_order() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let mut sent = Vec::new();
    for _ in 0..300 {
        sent.push(peer.push(&urls.push, "x").await);
    }
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(pushes.iter().map(|pushed| pushed.url()).collect::<Vec<_>>(), sent);
}

#[tokio::test]
async fn r8030_6_1_a_b_c_a_set_delivers_for_all_its_members() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let one = peer.subscribe().await;
    let two = peer.subscribe_in(&one.set).await;
    peer.push(&two.push, "stored").await;
    let mut monitor = agent.monitor(&one.set, &[]).await;
    let stored = monitor.next().await;
    peer.push(&one.push, "live").await;
    let live = monitor.next().await;
    for (pushed, text, push) in [(stored, "stored", &two.push), (live, "live", &one.push)] {
        assert_eq!(pushed.text(), text);
        assert_eq!(&link(pushed.request.headers(), PUSH), push);
        assert_eq!(&link(pushed.response.headers(), PUSH), push);
    }
    let (pushes, status) = peer.drain_with(&one.set, &[("urgency", "high")]).await;
    assert_eq!((pushes.len(), status), (0, StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn r8030_6_1_d_a_subscription_and_its_set_both_get_it_and_one_acknowledgement_settles() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let urls = peer.subscribe().await;
    let mut on_set = agent.monitor(&urls.set, &[]).await;
    let mut on_subscription = agent.monitor(&urls.subscription, &[]).await;
    let url = peer.push(&urls.push, "x").await;
    assert_eq!(on_set.next().await.url(), url);
    assert_eq!(on_subscription.next().await.url(), url);
    assert_eq!(agent.delete(&url).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.drain(&urls.set).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8030_6_2_a_c_only_what_was_acknowledged_does_not_come_again() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    for text in ["a", "b", "c"] {
        peer.push(&urls.push, text).await;
    }
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(peer.delete(&pushes[1].url()).await, StatusCode::NO_CONTENT);
    let (again, _) = peer.drain(&urls.subscription).await;
    assert_eq!(texts(&again), ["a", "c"]);
    assert_eq!(again[0].url(), pushes[0].url());
}

#[tokio::test]
async fn r8030_7_3_a_c_d_removing_a_subscription_ends_its_monitors_with_404() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let urls = peer.subscribe().await;
    let kept = peer.subscribe_in(&urls.set).await;
    peer.push(&urls.push, "dropped").await;
    let mut set = agent.monitor(&urls.set, &[]).await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    assert_eq!((monitor.next().await.text(), set.next().await.text()), ("dropped", "dropped"));
    assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
    peer.push(&kept.push, "kept").await;
    assert_eq!(set.next().await.text(), "kept");
    assert_eq!(texts(&peer.drain(&urls.set).await.0), ["kept"], "§7.3.1: it has left its set");
    assert_eq!(peer.drain(&urls.subscription).await.1, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn r8030_7_3_a_monitors_end_although_whoever_removed_it_hung_up() {
    use tokio::io::AsyncWriteExt as _;
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    for _ in 0..10 {
        let urls = peer.subscribe().await;
        let monitor = agent.monitor(&urls.subscription, &[]).await;
        assert_eq!(agent.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
        let path = urls.subscription.strip_prefix(&server.origin).unwrap();
        let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(format!("DELETE {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        drop(stream);
        // The request may fail with its connection, but not partially.
        if peer.drain(&urls.subscription).await.1 == StatusCode::NOT_FOUND {
            assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn r8030_7_3_1_a_b_c_removing_a_set_removes_its_members() {
    let server = Server::start();
    let (mut peer, mut agent) = (server.connect().await, server.connect().await);
    let one = peer.subscribe().await;
    let two = peer.subscribe_in(&one.set).await;
    let set = agent.monitor(&one.set, &[]).await;
    let monitor = agent.monitor(&two.subscription, &[]).await;
    // Both are registered once the server has responded to a later request on the connection.
    assert_eq!(agent.drain(&two.subscription).await.1, StatusCode::NO_CONTENT);
    assert_eq!(peer.delete(&one.set).await, StatusCode::NO_CONTENT);
    assert_eq!(set.end().await.status(), StatusCode::NOT_FOUND);
    assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
    for url in [&one.push, &two.push] {
        assert_eq!(peer.post(url, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(peer.delete(&one.set).await, StatusCode::NOT_FOUND);
}

/// Length of a common prefix that would be no coincidence: the key ID (8 bits) and 64 more bits.
const ALIKE: usize = 12;

#[tokio::test]
async fn r8030_8_2_a_b_c_urls_share_nothing_and_say_nothing() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let one = peer.subscribe().await;
    let two = peer.subscribe_in(&one.set).await;
    let messages = [peer.push(&one.push, "x").await, peer.push(&two.push, "x").await];
    let tokens: Vec<_> = [&one.push, &two.push, &one.subscription, &one.set, &messages[0], &messages[1]]
        .iter()
        .map(|url| url.rsplit('/').next().unwrap())
        .collect();
    for (at, a) in tokens.iter().enumerate() {
        assert!(a.len() >= 43, "at least 256 bits are in it");
        for b in &tokens[at + 1..] {
            let shared = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
            assert!(shared <= ALIKE, "two tokens begin alike");
        }
    }
}
