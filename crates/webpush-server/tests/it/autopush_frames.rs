//! Valid and invalid WebSocket frames and messages.

use crate::agent::{
    Agent, BINARY, CLOSE, Frame, PING, PONG, Registered, TEXT, assert_nothing_before, frame, with_channel,
};
use crate::support::Server;
use serde_json::json;

#[tokio::test]
async fn pings_of_both_kinds_are_always_answered() {
    let server = Server::start();
    let (mut agent, _) = Agent::new(&server).await;
    for ping in ["{}", " { } ", "\n{\t}", r#"{"messageType":"ping"}"#] {
        agent.send_text(ping).await;
        agent.send_text(ping).await;
        assert_eq!((agent.text().await, agent.text().await), ("{}".to_owned(), "{}".to_owned()));
    }
    for payload in [&b""[..], b"Hello", &[0xff; 125]] {
        agent.send(&frame(PING, payload)).await;
        assert_eq!(agent.next().await, Some(Frame::Pong(payload.to_vec())));
    }
    // An unsolicited pong counts as activity.
    agent.send(&frame(PONG, b"unasked")).await;
    agent.ping().await;
}

#[tokio::test]
async fn unknown_messages_are_ignored() {
    let (_server, mut sender, Registered { mut agent, push, .. }) = with_channel(&[]).await;
    for unknown in [
        json!({"messageType": "of the future", "data": [1, {"messageType": "hello"}]}),
        json!({"messageType": "Register", "channelID": 7}),
        json!({"messageType": ""}),
        json!({"messageType": null}),
        json!({"no": "messageType"}),
    ] {
        agent.send_text(unknown).await;
    }
    agent.ping().await;
    assert_nothing_before(&mut agent, &mut sender, &push).await;
}

#[tokio::test]
async fn invalid_json_closes_with_1007_and_the_reason() {
    let server = Server::start();
    let nested = format!("{}{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    for (text, why) in [
        ("", "not a JSON object"),
        ("hello", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{", "the message cannot be parsed"),
        ("{}{}", "the message cannot be parsed"),
        (r#"{"messageType":7}"#, "the message cannot be parsed"),
        (r#"{"messageType":"hello","messageType":"ack"}"#, "duplicate field"),
        (r#"{"messageType":"register"}"#, "missing field `channelID`"),
        (r#"{"messageType":"register","channelID":7}"#, "register cannot be parsed"),
        (r#"{"messageType":"unregister"}"#, "missing field `channelID`"),
        (r#"{"messageType":"ack"}"#, "missing field `updates`"),
        (r#"{"messageType":"ack","updates":[{}]}"#, "missing field `version`"),
        (r#"{"messageType":"broadcast_subscribe"}"#, "missing field `broadcasts`"),
        (&nested, "the message cannot be parsed"),
    ] {
        let (mut agent, _) = Agent::new(&server).await;
        agent.send_text(text).await;
        agent.assert_closed(1007, why).await;
    }
    let mut agent = Agent::open(&server).await;
    agent.send_text(r#"{"messageType":"hello","uaid":7}"#).await;
    agent.assert_closed(1007, "hello cannot be parsed").await;
}

#[tokio::test]
async fn invalid_frames_close_with_the_matching_code() {
    let server = Server::start();
    let unmasked = b"\x81\x02{}".to_vec();
    let endless = [&[TEXT, 0xff][..], &[0xff; 8], b"mask"].concat();
    for (bytes, code, why) in [
        (frame(BINARY, b"{}"), 1003, "binary"),
        (frame(0xc1, b"{}"), 1002, "reserved"),
        (frame(0xa1, b"{}"), 1002, "reserved"),
        (frame(0x83, b""), 1002, "opcode"),
        (frame(0x80, b"{}"), 1002, "continuation"),
        (frame(0x09, b""), 1002, "control"),
        (frame(PING, &[b'p'; 126]), 1002, "control"),
        (unmasked, 1002, "masked"),
        (frame(CLOSE, b"\x03"), 1002, "the status code of a close is incomplete"),
        (frame(CLOSE, &1005_u16.to_be_bytes()), 1002, "code"),
        (frame(TEXT, b"{\"\xff\"}"), 1007, "UTF-8"),
        (endless, 1009, "64 KiB"),
    ] {
        let (mut agent, _) = Agent::new(&server).await;
        agent.send(&bytes).await;
        agent.assert_closed(code, why).await;
    }
}

#[tokio::test]
async fn messages_over_64_kib_close_with_1009() {
    let server = Server::start();
    let (mut agent, _) = Agent::new(&server).await;
    let most = format!("{{\"messageType\":\"x\",\"data\":\"{}\"}}", "x".repeat(65_536 - 29));
    assert_eq!(most.len(), 65_536);
    agent.send_text(&most).await;
    agent.ping().await;
    agent.send_text(most + " ").await;
    agent.assert_closed(1009, "64 KiB").await;
    // Even with much more unread data than the server will ever read.
    let (mut agent, _) = Agent::new(&server).await;
    agent.send(&frame(TEXT, &vec![b' '; 4 * 1024 * 1024])).await;
    agent.assert_closed(1009, "64 KiB").await;
    let (mut agent, _) = Agent::new(&server).await;
    let fragment = frame(0x00, &[b' '; 20_000]);
    agent.send(&[frame(0x01, b"{"), fragment.repeat(4)].concat()).await;
    agent.assert_closed(1009, "64 KiB").await;
}

#[tokio::test]
async fn fragments_are_reassembled() {
    let server = Server::start();
    let mut agent = Agent::open(&server).await;
    let text = r#"{"messageType":"hello","of":"é€😀"}"#.as_bytes();
    let mut bytes = frame(0x01, &text[..1]);
    for byte in &text[1..text.len() - 1] {
        bytes.extend(frame(0x00, &[*byte]));
        bytes.extend(frame(PING, b"between"));
    }
    bytes.extend(frame(0x80, &text[text.len() - 1..]));
    agent.send(&bytes).await;
    for _ in 0..text.len() - 2 {
        assert_eq!(agent.next().await, Some(Frame::Pong(b"between".to_vec())));
    }
    assert_eq!(agent.receive().await["messageType"], "hello");
}

#[tokio::test]
async fn frames_can_arrive_byte_by_byte() {
    let server = Server::start();
    let mut agent = Agent::open(&server).await;
    for byte in frame(TEXT, br#"{"messageType":"hello"}"#) {
        agent.send(&[byte]).await;
    }
    assert_eq!(agent.receive().await["messageType"], "hello");
}

#[tokio::test]
async fn a_close_frame_is_echoed_before_the_connection_ends() {
    let server = Server::start();
    for (payload, code) in [
        (&b""[..], None),
        (&b"\x03\xe8bye"[..], Some(1000)),
        (&b"\x03\xe9"[..], Some(1001)),
        (&b"\x12\xa6"[..], Some(4774)),
    ] {
        let (mut agent, _) = Agent::new(&server).await;
        // Frames after a close are ignored.
        agent.send(&[frame(CLOSE, payload), frame(TEXT, b"{}")].concat()).await;
        assert_eq!(agent.next().await, Some(Frame::Close(code, String::new())));
        assert_eq!(agent.next().await, None);
    }
}
