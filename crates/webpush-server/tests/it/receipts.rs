//! Delivery receipts (RFC 8030 §5.1, §6.3): exactly one per requested message.

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
async fn r8030_5_1_a_b_6_2_b_6_3_a_b_an_acknowledgement_is_pushed_as_204() {
    let (server, mut peer, urls) = with_subscription().await;
    let (message, receipts) = send(&mut peer, &urls.push, None, &[]).await;
    assert!(receipts.starts_with(&format!("{}/receipt-subscription/", server.origin)));
    let mut sender = server.connect().await;
    let mut monitor = sender.monitor(&receipts, &[]).await;
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!(pushes[0].url(), message);
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    assert_eq!(receipt(&monitor.next().await), (message, 204));
}

#[tokio::test]
async fn r8030_5_1_c_6_3_c_a_receipt_subscription_is_used_again_and_keeps_receipts() {
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

#[tokio::test]
async fn r8030_5_1_d_an_unknown_receipt_subscription_is_400() {
    let (server, mut peer, urls) = with_subscription().await;
    let gone = send(&mut peer, &urls.push, None, &[]).await.1;
    assert_eq!(peer.delete(&gone).await, StatusCode::NO_CONTENT);
    for wrong in
        [format!("{}/receipt-subscription/AAAA", server.origin), urls.set.clone(), gone, "x".to_owned()]
    {
        let named = format!("<{wrong}>; rel=\"{RECEIPT}\"");
        let headers = [("ttl", "60"), ("prefer", "respond-async"), ("link", &named)];
        assert_eq!(peer.post(&urls.push, &headers, "x").await.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn r8030_5_1_f_a_link_without_the_preference_asks_for_nothing() {
    let (_server, mut peer, urls) = with_subscription().await;
    let receipts = send(&mut peer, &urls.push, None, &[]).await.1;
    let named = format!("<{receipts}>; rel=\"{RECEIPT}\"");
    let message = peer.push_with(&urls.push, &[("ttl", "60"), ("link", &named)], "x").await;
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.drain(&receipts).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn r8030_5_4_c_d_a_replaced_message_gets_no_receipt_and_the_new_one_does() {
    let (_server, mut peer, urls) = with_subscription().await;
    let topic = [("topic", "t")];
    let (old, receipts) = send(&mut peer, &urls.push, None, &topic).await;
    let (new, _) = send(&mut peer, &urls.push, Some(&receipts), &topic).await;
    assert_eq!(peer.delete(&old).await, StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&new).await, StatusCode::NO_CONTENT);
    let (pushes, _) = peer.drain(&receipts).await;
    assert_eq!(pushes.iter().map(receipt).collect::<Vec<_>>(), [(new, 204)]);
}

#[tokio::test]
async fn r8030_6_2_e_7_2_d_a_message_whose_ttl_runs_out_ends_in_410() {
    let (server, mut peer, urls) = with_subscription().await;
    let (stored, receipts) = send(&mut peer, &urls.push, None, &[("ttl", "1")]).await;
    let mut sender = server.connect().await;
    let mut monitor = sender.monitor(&receipts, &[]).await;
    assert_eq!(receipt(&monitor.next().await), (stored, 410));
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

#[tokio::test]
async fn r8030_7_3_d_a_removed_subscription_owes_410_for_its_messages() {
    let (_server, mut peer, urls) = with_subscription().await;
    let (one, receipts) = send(&mut peer, &urls.push, None, &[]).await;
    let other = peer.subscribe_in(&urls.set).await;
    let (two, _) = send(&mut peer, &other.push, Some(&receipts), &[]).await;
    assert_eq!(peer.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.drain(&receipts).await.0.iter().map(receipt).collect::<Vec<_>>(), [(one, 410)]);
    assert_eq!(peer.delete(&urls.set).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.drain(&receipts).await.0.iter().map(receipt).collect::<Vec<_>>(), [(two, 410)]);
}

#[tokio::test]
async fn r8030_7_3_c_deleting_a_receipt_subscription_ends_its_monitor_with_404() {
    let (server, mut peer, urls) = with_subscription().await;
    let (message, receipts) = send(&mut peer, &urls.push, None, &[]).await;
    let mut sender = server.connect().await;
    let monitor = sender.monitor(&receipts, &[]).await;
    assert_eq!(sender.drain(&receipts).await.1, StatusCode::NO_CONTENT);
    assert_eq!(peer.delete(&receipts).await, StatusCode::NO_CONTENT);
    assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&receipts).await, StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT, "the message itself goes on");
}
