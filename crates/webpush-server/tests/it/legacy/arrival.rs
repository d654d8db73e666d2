//! Delivery without acknowledgements: the body was sent, not reset, and two PINGs were answered.

use super::{Device, put, send, send_for_receipt, with_device};
use crate::raw::{ACK, Frame, NO_WINDOW, PING, PUSH_PROMISE, RST_STREAM, RawPeer};
use crate::support::{Http2Client, Server, texts};
use http::StatusCode;

const DATA: u8 = 0;
/// CANCEL (RFC 9113 §7).
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// A monitor of a device that does nothing by itself.
async fn listen(server: &Server, device: &Device, settings: &[u8]) -> RawPeer {
    let mut agent = RawPeer::connect(&server.address, settings).await;
    agent.get(1, device.url.strip_prefix(&server.origin).unwrap()).await;
    agent
}

/// Returns the stream of the next message whose body is complete.
async fn pushed(agent: &mut RawPeer) -> u32 {
    agent.next_of(DATA).await.stream
}

async fn answer_ping(agent: &mut RawPeer) {
    let Frame { flags, payload, .. } = agent.next_of(PING).await;
    assert_eq!(flags & ACK, 0);
    agent.send(PING, ACK, 0, &payload).await.unwrap();
}

async fn receipts(peer: &mut Http2Client, url: &str) -> Vec<u16> {
    peer.drain(url).await.0.iter().map(|pushed| pushed.response.status().as_u16()).collect()
}

#[tokio::test]
async fn d1_ack_a_a_message_that_was_read_is_not_sent_again_and_its_receipt_says_204() {
    let (server, mut peer, device) = with_device().await;
    let (message, receipts) = send_for_receipt(&mut peer, &device.update, "stored").await;
    let mut sender = server.connect().await;
    let mut heard = sender.monitor(&receipts, &[]).await;
    let mut agent = listen(&server, &device, &[]).await;
    pushed(&mut agent).await;
    answer_ping(&mut agent).await;
    answer_ping(&mut agent).await;
    let receipt = heard.next().await;
    assert_eq!((receipt.url(), receipt.response.status()), (message.clone(), StatusCode::NO_CONTENT));
    assert_eq!(peer.drain(&device.url).await.1, StatusCode::NO_CONTENT);
    assert_eq!(peer.delete(&message).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn d1_ack_b_without_both_answers_it_is_sent_again() {
    let (server, mut peer, device) = with_device().await;
    send(&mut peer, &device.update, "x").await;
    for answered in [0, 1] {
        let mut agent = listen(&server, &device, &[]).await;
        pushed(&mut agent).await;
        for _ in 0..answered {
            answer_ping(&mut agent).await;
        }
        agent.next_of(PING).await;
    }
    assert_eq!(texts(&peer.drain(&device.url).await.0), ["x"]);
    assert_eq!(peer.drain(&device.url).await.1, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn d1_ack_b_a_reset_one_is_sent_again_by_the_next_monitor_and_the_others_are_not() {
    let (server, mut peer, device) = with_device().await;
    send(&mut peer, &device.update, "taken").await;
    send(&mut peer, &device.update, "reset").await;
    let mut agent = listen(&server, &device, &[]).await;
    pushed(&mut agent).await;
    let unwanted = pushed(&mut agent).await;
    answer_ping(&mut agent).await;
    // As late as possible: everything was sent, and one PING was answered.
    agent.send(RST_STREAM, 0, unwanted, &CANCEL).await.unwrap();
    answer_ping(&mut agent).await;
    // The next message arrives either way; it is unconfirmed, and the reset one is not redelivered yet.
    send(&mut peer, &device.update, "later").await;
    pushed(&mut agent).await;
    drop(agent);
    assert_eq!(texts(&peer.drain(&device.url).await.0), ["reset", "later"]);
}

#[tokio::test]
async fn d1_ack_b_a_body_that_found_no_room_is_sent_again() {
    let (server, mut peer, device) = with_device().await;
    send(&mut peer, &device.update, "x").await;
    let mut agent = listen(&server, &device, NO_WINDOW).await;
    agent.next_of(PUSH_PROMISE).await;
    drop(agent);
    assert_eq!(texts(&peer.drain(&device.url).await.0), ["x"]);
}

#[tokio::test]
async fn d1_ack_a_many_are_confirmed_together() {
    let (_server, mut peer, device) = with_device().await;
    for _ in 0..100 {
        send(&mut peer, &device.update, "x").await;
    }
    let (pushes, status) = peer.drain(&device.url).await;
    assert_eq!((pushes.len(), status), (100, StatusCode::OK));
    assert_eq!(peer.drain(&device.url).await.1, StatusCode::NO_CONTENT, "wait=0 ends when all have arrived");
}

#[tokio::test]
async fn d1_ack_c_an_empty_message_arrives_too() {
    let (_server, mut peer, device) = with_device().await;
    let (_, url) = send_for_receipt(&mut peer, &device.update, "").await;
    assert_eq!(texts(&peer.drain(&device.url).await.0), [""]);
    assert_eq!(receipts(&mut peer, &url).await, [204]);
}

#[tokio::test]
async fn d1_ack_c_ttl_zero_with_a_receipt_says_204_when_it_was_read_and_410_when_nobody_listens() {
    let (server, mut peer, device) = with_device().await;
    let headers = [("prefer", "respond-async"), ("ttl", "0")];
    let missed = put(&mut peer, &device.update, &headers, "to nobody").await;
    let url = crate::support::link(missed.headers(), "urn:ietf:params:push:receipt");
    assert_eq!(receipts(&mut peer, &url).await, [410]);

    let mut agent = server.connect().await;
    let mut monitor = agent.monitor(&device.url, &[]).await;
    send(&mut peer, &device.update, "it listens").await;
    monitor.next().await;
    let link = format!("<{url}>; rel=\"urn:ietf:params:push:receipt\"");
    put(&mut peer, &device.update, &[headers[0], headers[1], ("link", &link)], "now").await;
    assert_eq!(monitor.next().await.text(), "now");
    let mut sender = server.connect().await;
    assert_eq!(sender.monitor(&url, &[]).await.next().await.response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn d1_withdraw_a_a_sender_takes_its_message_back() {
    let (_server, mut peer, device) = with_device().await;
    let (message, url) = send_for_receipt(&mut peer, &device.update, "a mistake").await;
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.drain(&device.url).await.1, StatusCode::NO_CONTENT);
    assert_eq!(receipts(&mut peer, &url).await, [410]);
    assert_eq!(peer.delete(&message).await, StatusCode::NOT_FOUND);
}
