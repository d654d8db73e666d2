//! Delivery receipts (RFC 8030 §5.1, §6.3): exactly one per requested message.

use crate::raw::{PING, PUSH_PROMISE, RawPeer};
use crate::support::{Http2Client, PushedMessage, header, link, with_subscription};
use http::{Method, StatusCode};

const RECEIPT: &str = "urn:ietf:params:push:receipt";

/// Sends a message that asks for a receipt; returns its URL and that of the receipt subscription.
async fn send(
    peer: &mut Http2Client,
    push: &str,
    receipts: Option<&str>,
    more: &[(&str, &str)],
) -> (String, String) {
    let named = receipts.map(|url| format!("<{url}>; rel=\"{RECEIPT}\""));
    let mut headers = vec![("prefer", "respond-async")];
    headers.extend(named.as_deref().map(|named| ("link", named)));
    headers.extend(more);
    if !more.iter().any(|(name, _)| *name == "ttl") {
        headers.push(("ttl", "60"));
    }
    let response = peer.post(push, &headers, "x").await;
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{:?}", response.body());
    assert_eq!(header(&response, "preference-applied"), "respond-async");
    (header(&response, "location").to_owned(), link(response.headers(), RECEIPT))
}

fn receipt(pushed: &PushedMessage) -> (String, u16) {
    assert_eq!(pushed.request.method(), Method::GET);
    assert!(pushed.response.body().is_empty());
    (pushed.url(), pushed.response.status().as_u16())
}

#[tokio::test]
async fn r8030_6_3_c_receipts_come_in_order_and_once() {
    let (_server, mut peer, urls) = with_subscription().await;
    let (first, receipts) = send(&mut peer, &urls.push, None, &[]).await;
    let (second, again) = send(&mut peer, &urls.push, Some(&receipts), &[]).await;
    assert_eq!(again, receipts);
    assert_eq!(peer.drain(&receipts).await.1, StatusCode::NO_CONTENT);
    for message in [&second, &first] {
        assert_eq!(peer.delete(message).await, StatusCode::NO_CONTENT);
    }
    let (pushes, status) = peer.drain(&receipts).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(pushes.iter().map(receipt).collect::<Vec<_>>(), [(second, 204), (first, 204)]);
    assert_eq!(peer.drain(&receipts).await.1, StatusCode::NO_CONTENT, "each receipt is given once");
}

/// It was written, but the sender has not answered the PING that follows it.
#[tokio::test]
async fn a_receipt_that_may_not_have_been_read_is_sent_again() {
    let (server, mut peer, urls) = with_subscription().await;
    let (message, receipts) = send(&mut peer, &urls.push, None, &[]).await;
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    let mut sender = RawPeer::connect(&server.address, &[]).await;
    sender.get(1, receipts.strip_prefix(&server.origin).unwrap()).await;
    sender.next_of(PUSH_PROMISE).await;
    sender.next_of(PING).await;
    drop(sender);
    let (pushes, _) = peer.drain(&receipts).await;
    assert_eq!(pushes.iter().map(receipt).collect::<Vec<_>>(), [(message, 204)]);
}

#[tokio::test]
async fn r8030_5_2_e_6_2_d_ttl_zero_with_a_receipt_ends_in_one_either_way() {
    let (server, mut peer, urls) = with_subscription().await;
    let ttl = [("ttl", "0")];
    let (nobody, receipts) = send(&mut peer, &urls.push, None, &ttl).await;
    let mut sender = server.connect().await;
    let mut monitor = sender.monitor(&receipts, &[]).await;
    assert_eq!(receipt(&monitor.next().await), (nobody, 410));

    let mut agent = server.connect().await;
    let mut listening = agent.monitor(&urls.subscription, &[]).await;
    peer.push(&urls.push, "listening").await;
    listening.next().await;
    let (taken, _) = send(&mut peer, &urls.push, Some(&receipts), &ttl).await;
    assert_eq!(listening.next().await.url(), taken);
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1, "it is never fetched");
    assert_eq!(peer.delete(&taken).await, StatusCode::NO_CONTENT);
    assert_eq!(receipt(&monitor.next().await), (taken, 204));

    let (ignored, _) = send(&mut peer, &urls.push, Some(&receipts), &ttl).await;
    assert_eq!(receipt(&monitor.next().await), (ignored, 410));
}
