//! Delivery by server-sent events, over both HTTP versions (RFC 8030 §6).

use crate::event_stream::{BOTH, Events, Version, texts};
use crate::support::{header, link, with_subscription};
use http::{Method, StatusCode};

const WAIT_0: (&str, &str) = ("prefer", "wait=0");

#[tokio::test]
async fn r8030_6_a_e_what_is_stored_comes_first_then_what_is_sent() {
    let (server, mut peer, urls) = with_subscription().await;
    let stored = peer.push(&urls.push, "stored").await;
    for version in BOTH {
        let mut events = Events::open(&server, version, &urls.subscription, &[]).await;
        assert_eq!(events.status, StatusCode::OK);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(events.headers[name], value);
        }
        assert!(events.headers.contains_key("date") && !events.headers.contains_key("preference-applied"));
        let event = events.next().await;
        assert_eq!(
            (event.kind.as_str(), event.url(), event.text().as_str()),
            ("message", &*stored, "stored")
        );
        assert_eq!(event.id.as_ref(), Some(&stored));
        let headers = [("ttl", "60"), ("content-type", "text/plain"), ("content-encoding", "aes128gcm")];
        let live = peer.push_with(&urls.push, &headers, "live").await;
        let event = events.next().await;
        assert_eq!((event.url(), event.text().as_str()), (&*live, "live"));
        assert_eq!(event.data["subscription"], urls.push);
        let headers = serde_json::json!({ "content-type": "text/plain", "content-encoding": "aes128gcm" });
        assert_eq!(event.data["headers"], headers);
        assert_eq!(event.data["last_modified"], header(&peer.get(&live, &[]).await, "last-modified"));
        assert_eq!(peer.delete(&live).await, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn r8030_6_f_g_wait_zero_sends_what_is_there_or_204() {
    let (server, mut peer, urls) = with_subscription().await;
    for version in BOTH {
        let events = Events::open(&server, version, &urls.subscription, &[WAIT_0]).await;
        assert_eq!(events.status, StatusCode::NO_CONTENT);
        assert_eq!(events.headers["preference-applied"], "wait=0");
        assert_eq!(events.headers["access-control-allow-origin"], "*");
    }
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.push(peer.push(&urls.push, "x").await);
    }
    for version in BOTH {
        let events = Events::open(&server, version, &urls.subscription, &[WAIT_0]).await;
        assert_eq!(
            (events.status, &events.headers["preference-applied"]),
            (StatusCode::OK, &"wait=0".parse().unwrap())
        );
        let events = events.rest().await;
        assert_eq!(events.iter().map(|event| event.url().to_owned()).collect::<Vec<_>>(), sent);
    }
    for url in sent {
        assert_eq!(peer.delete(&url).await, StatusCode::NO_CONTENT);
    }
    let events = Events::open(&server, Version::Http1, &urls.subscription, &[("prefer", "wait=1")]).await;
    assert_eq!((events.status, events.rest().await.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn r8030_6_1_a_b_c_a_set_says_which_subscription_and_keeps_the_floor() {
    let (server, mut peer, one) = with_subscription().await;
    let two = peer.subscribe_in(&one.set).await;
    for version in BOTH {
        let mut events = Events::open(&server, version, &one.set, &[("urgency", "high")]).await;
        peer.push(&one.push, "unimportant").await;
        let high = [("ttl", "60"), ("urgency", "high")];
        for (urls, text) in [(&one, "one"), (&two, "two")] {
            let url = peer.push_with(&urls.push, &high, text).await;
            let event = events.next().await;
            assert_eq!(
                (event.text().as_str(), &event.data["subscription"]),
                (text, &urls.push.as_str().into())
            );
            assert_eq!(peer.delete(&url).await, StatusCode::NO_CONTENT);
        }
    }
}

#[tokio::test]
async fn the_stream_resumes_after_the_last_event_of_the_agent() {
    let (server, mut peer, urls) = with_subscription().await;
    let mut sent = Vec::new();
    for text in ["1", "2", "3", "4"] {
        sent.push(peer.push(&urls.push, text).await);
    }
    assert_eq!(peer.delete(&sent[2]).await, StatusCode::NO_CONTENT);
    let foreign = peer.subscribe().await;
    let foreign = peer.push(&foreign.push, "foreign").await;
    for version in BOTH {
        for (last, expected) in [
            (&sent[0], &["2", "4"][..]),
            (&sent[1], &["4"]),
            (&sent[2], &["4"]),
            (&foreign, &["1", "2", "4"]),
            (&"nonsense".to_owned(), &["1", "2", "4"]),
        ] {
            let headers = [("last-event-id", last.as_str())];
            let mut events = Events::open(&server, version, &urls.subscription, &headers).await;
            for text in expected {
                assert_eq!(events.next().await.text(), *text);
            }
        }
        let mut held =
            Events::open(&server, version, &urls.subscription, &[("last-event-id", &sent[3])]).await;
        let live = peer.push(&urls.push, "live").await;
        assert_eq!(held.next().await.text(), "live");
        assert_eq!(peer.delete(&live).await, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn r8030_6_2_c_a_poll_repeats_what_an_earlier_one_excluded_whatever_the_last_event() {
    let (server, mut peer, urls) = with_subscription().await;
    peer.post(&urls.push, &[("ttl", "60"), ("urgency", "low")], "low").await;
    peer.post(&urls.push, &[("ttl", "60"), ("urgency", "high")], "high").await;
    for version in BOTH {
        let headers = [("urgency", "high"), WAIT_0];
        let first = Events::open(&server, version, &urls.subscription, &headers).await.rest().await;
        assert_eq!(texts(&first), ["high"]);
        let headers = [("last-event-id", first[0].id.as_deref().unwrap()), WAIT_0];
        let second = Events::open(&server, version, &urls.subscription, &headers).await.rest().await;
        assert_eq!(texts(&second), ["low", "high"]);
    }
}

#[tokio::test]
async fn r8030_7_3_a_a_removed_subscription_is_a_last_event() {
    let (server, mut peer, first) = with_subscription().await;
    for version in BOTH {
        let urls = peer.subscribe_in(&first.set).await;
        let mut set = Events::open(&server, version, &urls.set, &[]).await;
        let events = Events::open(&server, version, &urls.subscription, &[]).await;
        assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
        let rest = events.rest().await;
        assert_eq!((rest.len(), rest[0].kind.as_str(), &rest[0].data["status"]), (1, "gone", &404.into()));
        peer.push(&first.push, "kept").await;
        assert_eq!(set.next().await.text(), "kept");
        let again = Events::open(&server, version, &urls.subscription, &[]).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn sigterm_ends_streams_so_that_agents_reconnect() {
    let (server, mut peer, urls) = with_subscription().await;
    peer.push(&urls.push, "x").await;
    let mut streams = Vec::new();
    for version in BOTH {
        let mut events = Events::open(&server, version, &urls.subscription, &[]).await;
        assert_eq!(events.next().await.text(), "x");
        streams.push(events);
    }
    drop(peer);
    server.signal("TERM");
    for events in streams {
        assert_eq!(events.rest().await.len(), 0);
    }
    assert!(server.wait().await);
}

/// The receipt of a TTL 0 message shows if an agent was connected: otherwise it is immediate.
#[tokio::test]
async fn h2_g_an_agent_that_hangs_up_listens_no_more() {
    let (server, mut peer, urls) = with_subscription().await;
    for version in BOTH {
        let mut events = Events::open(&server, version, &urls.subscription, &[]).await;
        let live = peer.push_with(&urls.push, &[("ttl", "0")], "live").await;
        let event = events.next().await;
        assert_eq!((event.url(), event.id.as_deref()), (&*live, None), "it is no place to go on from");
        drop(events);
        let hung_up = async {
            loop {
                let headers = [("ttl", "0"), ("prefer", "respond-async")];
                let response = peer.post(&urls.push, &headers, "x").await;
                let receipts = link(response.headers(), "urn:ietf:params:push:receipt");
                if !peer.drain(&receipts).await.0.is_empty() {
                    break;
                }
            }
        };
        crate::support::soon("the end of listening", hung_up).await;
    }
}

#[tokio::test]
async fn a_half_closed_http_1_1_connection_ends_an_event_stream() {
    let (server, mut peer, urls) = with_subscription().await;
    let mut events = Events::open(&server, Version::Http1, &urls.subscription, &[]).await;
    peer.push(&urls.push, "x").await;
    assert_eq!(events.next().await.text(), "x");
    events.half_close().await;
    assert_eq!(events.rest().await.len(), 0);
}

#[tokio::test]
async fn h2_h_small_windows_only_slow_it_down() {
    let (server, mut peer, urls) = with_subscription().await;
    let large: &'static str = Box::leak("y".repeat(4096).into_boxed_str());
    for _ in 0..10 {
        peer.push(&urls.push, large).await;
    }
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(100);
    let agent = server.connect_with(builder).await;
    let headers = [("accept", "text/event-stream"), WAIT_0];
    let events = Events::open_http2(agent, &urls.subscription, &headers).await;
    assert_eq!(texts(&events.rest().await), vec![large; 10]);
}

#[tokio::test]
async fn r8030_6_3_a_receipts_stay_until_the_sender_goes_on_after_them() {
    let (server, mut peer, urls) = with_subscription().await;
    for version in BOTH {
        let mut receipts = None;
        let mut messages = Vec::new();
        for _ in 0..3 {
            let named = receipts.iter().map(|url| format!("<{url}>; rel=\"urn:ietf:params:push:receipt\""));
            let named: Vec<_> = named.collect();
            let mut headers = vec![("ttl", "60"), ("prefer", "respond-async")];
            headers.extend(named.iter().map(|named| ("link", named.as_str())));
            let response = peer.post(&urls.push, &headers, "x").await;
            receipts = Some(link(response.headers(), "urn:ietf:params:push:receipt"));
            messages.push(header(&response, "location").to_owned());
        }
        let receipts = receipts.unwrap();
        let mut events = Events::open(&server, version, &receipts, &[]).await;
        let mut ids = Vec::new();
        for message in &messages {
            assert_eq!(peer.delete(message).await, StatusCode::NO_CONTENT);
            let event = events.next().await;
            assert_eq!(
                (event.kind.as_str(), event.url(), &event.data["status"]),
                ("receipt", &**message, &204.into())
            );
            ids.push(event.id.unwrap());
        }
        let left = async |last: Option<&String>| {
            let headers: Vec<_> =
                last.map(|id| ("last-event-id", id.as_str())).into_iter().chain([WAIT_0]).collect();
            let events = Events::open(&server, version, &receipts, &headers).await;
            if events.status == StatusCode::NO_CONTENT {
                return Vec::new();
            }
            events.rest().await.iter().map(|event| event.url().to_owned()).collect()
        };
        assert_eq!(left(None).await, messages);
        assert_eq!(left(Some(&ids[0])).await, messages[1..]);
        assert_eq!(left(None).await, messages[1..], "the first was taken");
        assert_eq!(peer.delete(&ids[1]).await, StatusCode::NO_CONTENT);
        assert_eq!(left(None).await, messages[2..], "and the second, by its own URL");
        assert_eq!(left(Some(&ids[2])).await, messages[3..]);
        assert_eq!(peer.drain(&receipts).await.1, StatusCode::NO_CONTENT, "nor is it pushed");
    }
}

#[tokio::test]
async fn pages_of_any_origin_can_be_agents() {
    let (_server, mut peer, urls) = with_subscription().await;
    for url in [&urls.subscription, &urls.set] {
        let asked = [("access-control-request-headers", "last-event-id, prefer")];
        let response = peer.request(Method::OPTIONS, url, &asked, "").await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, DELETE, OPTIONS"),
            ("access-control-allow-headers", "last-event-id, prefer"),
        ] {
            assert_eq!(header(&response, name), value);
        }
    }
    let response = peer.request(Method::DELETE, &urls.subscription, &[], "").await;
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
}
