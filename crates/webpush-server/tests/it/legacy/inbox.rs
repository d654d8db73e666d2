//! One inbox with subscriptions of both protocols: a device is a subscription set of RFC 8030.

use super::{Device, send, subscribe, with_device};
use crate::support::{Http2Client, Server, Subscription, texts};
use http::StatusCode;

const SET: &str = "urn:ietf:params:push:set";

struct Both {
    server: Server,
    peer: Http2Client,
    device: Device,
    rfc8030: Subscription,
}

async fn both() -> Both {
    let (server, mut peer, device) = with_device().await;
    let rfc8030 = peer.subscribe_in(&device.links[SET]).await;
    assert_eq!(rfc8030.set, device.links[SET]);
    Both { server, peer, device, rfc8030 }
}

#[tokio::test]
async fn d1_set_a_either_monitor_gets_each_message_in_the_form_of_its_own_protocol() {
    let Both { peer, device, rfc8030, .. } = &mut both().await;
    for monitored in [device.url.clone(), rfc8030.set.clone()] {
        send(peer, &device.update, "one").await;
        let message = peer.push(&rfc8030.push, "two").await;
        send(peer, &device.update, "three").await;
        let (pushes, status) = peer.drain(&monitored).await;
        assert_eq!((texts(&pushes), status), (vec!["one", "two", "three"], StatusCode::OK));
        let urls: Vec<_> = pushes.iter().map(crate::support::PushedMessage::url).collect();
        assert_eq!(urls, [device.channel.clone(), message.clone(), device.channel.clone()]);
        assert!(pushes[0].request.headers().is_empty() && pushes[1].request.headers().contains_key("link"));

        // The legacy message is delivered; the other one is acknowledged by its URL.
        assert_eq!(texts(&peer.drain(&monitored).await.0), ["two"]);
        assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
        assert_eq!(peer.drain(&monitored).await.1, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn d1_set_a_held_monitors_of_both_get_what_is_sent_live() {
    let Both { server, peer, device, rfc8030 } = &mut both().await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    let mut of_device = one.monitor(&device.url, &[]).await;
    let mut of_set = two.monitor(&rfc8030.set, &[]).await;
    let message = peer.push(&rfc8030.push, "for both").await;
    assert_eq!((of_device.next().await.url(), of_set.next().await.url()), (message.clone(), message));
    // The first monitor that has read it settles it, so one gets it and the other may miss it.
    send(peer, &device.update, "draft").await;
    let pushed = tokio::select! {
        pushed = of_device.next() => pushed,
        pushed = of_set.next() => pushed,
    };
    assert_eq!((pushed.url(), pushed.text()), (device.channel.clone(), "draft"));
}

#[tokio::test]
async fn d1_set_b_draft_messages_are_no_events_and_stay_for_a_monitor_with_pushes() {
    let Both { peer, device, rfc8030, .. } = &mut both().await;
    send(peer, &device.update, "draft").await;
    peer.push(&rfc8030.push, "rfc").await;
    let events = [("accept", "text/event-stream"), ("prefer", "wait=0")];
    let stream = peer.get(&rfc8030.set, &events).await;
    let text = std::str::from_utf8(stream.body()).unwrap();
    assert_eq!((stream.status(), text.matches("event: message").count()), (StatusCode::OK, 1), "{text}");
    assert_eq!(texts(&peer.drain(&device.url).await.0), ["draft", "rfc"]);
}

#[tokio::test]
async fn d1_set_c_a_subscription_gets_its_own_and_a_set_goes_with_its_device() {
    let Both { server, peer, device, rfc8030 } = &mut both().await;
    subscribe(server, peer, &device.links["urn:ietf:params:push:channel"]).await;
    send(peer, &device.update, "draft").await;
    peer.push(&rfc8030.push, "rfc").await;
    assert_eq!(texts(&peer.drain(&rfc8030.subscription).await.0), ["rfc"]);
    assert_eq!(peer.delete(&rfc8030.set).await, StatusCode::NO_CONTENT);
    for gone in [&device.url, &device.channel, &rfc8030.subscription] {
        assert_eq!(peer.delete(gone).await, StatusCode::NOT_FOUND);
    }
}
